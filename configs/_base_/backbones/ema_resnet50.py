"""EMA-ResNet-50."""

backbone = dict(type='mmattn.EMAResNet', depth=50)
pretrained = dict(type='Pretrained', checkpoint='checkpoints/ema_resnet50.pth', prefix='backbone.')
