_base_ = ['../_base_/backbones/spem_resnet164.py', '../_base_/recipes/cifar10_164e.py']
model = dict(backbone=_base_.backbone)
optim_wrapper = dict(paramwise_cfg=_base_.paramwise_cfg)
