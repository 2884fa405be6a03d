"""ResNet-50 with CBAM, reduction 16."""

backbone = dict(type='mmattn.AttnResNet', depth=50, attn='mmattn.CBAM')
pretrained = dict(type='Pretrained', checkpoint='checkpoints/cbam50.pth', prefix='backbone.')
