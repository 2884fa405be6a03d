"""GCNet-50: a global context block, reduction 16, in every block."""

backbone = dict(type='mmattn.AttnResNet', depth=50, attn='mmattn.GC')
pretrained = dict(type='Pretrained', checkpoint='checkpoints/gcnet50.pth', prefix='backbone.')
