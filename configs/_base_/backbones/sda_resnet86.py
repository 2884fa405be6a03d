"""SDA-ResNet-86: grouped 3x3 convolutions, depth attention."""

backbone = dict(type='mmattn.SDAResNet', depth=86)
pretrained = dict(type='Pretrained', checkpoint='checkpoints/sda_resnet86.pth', prefix='backbone.')
