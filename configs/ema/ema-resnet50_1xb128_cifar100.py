_base_ = ['../_base_/backbones/ema_resnet50.py', '../_base_/recipes/cifar100_200e.py']
model = dict(backbone=_base_.backbone)
