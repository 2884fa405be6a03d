"""SDA-ResNet-50: grouped 3x3 convolutions, depth attention."""

backbone = dict(type='mmattn.SDAResNet', depth=50)
pretrained = dict(type='Pretrained', checkpoint='checkpoints/sda_resnet50.pth', prefix='backbone.')
