_base_ = ['../_base_/backbones/resnet164.py', '../_base_/recipes/cifar100_164e.py']
model = dict(backbone=_base_.backbone)
