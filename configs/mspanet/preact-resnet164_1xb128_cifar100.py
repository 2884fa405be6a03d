# The paper states no recipe: this one, of EMA, is our choice.
_base_ = ['../_base_/backbones/preact_resnet164.py', '../_base_/recipes/cifar100_200e.py']
model = dict(backbone=_base_.backbone, head=dict(in_channels=256))
