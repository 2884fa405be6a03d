"""ResNet-50, which has torchvision's keys."""

backbone = dict(type='mmattn.AttnResNet', depth=50)
pretrained = dict(type='Pretrained', checkpoint='torchvision://resnet50')
