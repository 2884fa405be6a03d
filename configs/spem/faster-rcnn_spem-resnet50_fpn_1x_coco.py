# Not in the paper, which has only CIFAR and STL-10.
_base_ = ['../_base_/backbones/spem_resnet50.py', '../_base_/recipes/faster-rcnn_1x_coco.py']
model = dict(backbone=dict(**_base_.backbone, init_cfg=_base_.pretrained))
optim_wrapper = dict(paramwise_cfg=_base_.paramwise_cfg)
