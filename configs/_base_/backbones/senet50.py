"""SENet-50: squeeze-and-excitation, reduction 16."""

backbone = dict(type='mmattn.AttnResNet', depth=50, attn='mmattn.SE')
pretrained = dict(type='Pretrained', checkpoint='checkpoints/senet50.pth', prefix='backbone.')
