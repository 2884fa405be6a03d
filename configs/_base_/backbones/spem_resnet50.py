"""SPEM-ResNet-50."""

_base_ = '../spem_penalty.py'
backbone = dict(type='mmattn.SPEMResNet', depth=50)
pretrained = dict(type='Pretrained', checkpoint='checkpoints/spem_resnet50.pth', prefix='backbone.')
