# Not in the paper, which tried this network on ImageNet only.
_base_ = ['../_base_/backbones/sda_cbam86.py', '../_base_/recipes/mask-rcnn_1x_coco.py']
model = dict(backbone=dict(**_base_.backbone, init_cfg=_base_.pretrained))
