# The paper states no recipe: this one, of EMA, is our choice.
_base_ = ['../_base_/backbones/epsanet50.py', '../_base_/recipes/cifar100_200e.py']
model = dict(backbone=_base_.backbone)
