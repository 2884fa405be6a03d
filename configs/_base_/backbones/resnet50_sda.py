"""ResNet-50 with torchvision's weights and depth attention that starts as the identity."""

backbone = dict(type='mmattn.AttnResNet', depth=50, depth_attn=dict(type='mmattn.SDA', identity_init=True))
pretrained = dict(type='Pretrained', checkpoint='torchvision://resnet50')
