# Ours: needs no weights that one has to train first, as torchvision's are loaded by themselves.
_base_ = ['../_base_/backbones/resnet50_sda.py', '../_base_/recipes/mask-rcnn_1x_coco.py']
model = dict(backbone=dict(**_base_.backbone, init_cfg=_base_.pretrained))
