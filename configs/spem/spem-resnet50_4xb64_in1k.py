# Not in the paper, which has only CIFAR and STL-10.
# Recipe of SDA-xNet and EPSANet.
_base_ = ['../_base_/backbones/spem_resnet50.py', '../_base_/recipes/in1k_120e.py']
model = dict(backbone=_base_.backbone)
optim_wrapper = dict(paramwise_cfg=_base_.paramwise_cfg)
