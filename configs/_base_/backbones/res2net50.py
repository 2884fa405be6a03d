"""Res2Net-50, 26w x 4s."""

backbone = dict(type='mmattn.AttnResNet', depth=50, spatial=dict(type='mmattn.Res2NetConv'))
pretrained = dict(type='Pretrained', checkpoint='checkpoints/res2net50.pth', prefix='backbone.')
