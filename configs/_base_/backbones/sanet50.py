"""SA-Net-50: shuffle attention, 64 groups."""

backbone = dict(type='mmattn.AttnResNet', depth=50, attn='mmattn.SA')
pretrained = dict(type='Pretrained', checkpoint='checkpoints/sanet50.pth', prefix='backbone.')
