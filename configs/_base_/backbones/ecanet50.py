"""ECA-Net-50: kernel sizes by the rule of its paper."""

backbone = dict(type='mmattn.AttnResNet', depth=50, attn='mmattn.ECA')
pretrained = dict(type='Pretrained', checkpoint='checkpoints/ecanet50.pth', prefix='backbone.')
