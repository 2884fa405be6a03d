"""ResNet-101, which has torchvision's keys."""

backbone = dict(type='mmattn.AttnResNet', depth=101)
pretrained = dict(type='Pretrained', checkpoint='torchvision://resnet101')
