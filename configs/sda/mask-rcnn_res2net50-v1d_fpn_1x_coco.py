_base_ = ['../_base_/backbones/res2net50_v1d.py', '../_base_/recipes/mask-rcnn_1x_coco.py']
model = dict(backbone=dict(**_base_.backbone, init_cfg=_base_.pretrained))
