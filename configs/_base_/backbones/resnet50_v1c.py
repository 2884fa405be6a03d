"""ResNet-50-C, whose stem has three 3x3 convolutions; mmsegmentation's ResNetV1c, with its keys and its weights."""

backbone = dict(type='mmattn.AttnResNet', depth=50, deep_stem=True)
pretrained = dict(type='Pretrained', checkpoint='open-mmlab://resnet50_v1c')
