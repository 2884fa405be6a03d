_base_ = ['../_base_/backbones/resnet50.py', '../_base_/recipes/faster-rcnn_1x_coco.py']
model = dict(backbone=dict(**_base_.backbone, init_cfg=_base_.pretrained))
