_base_ = ['../_base_/backbones/senet101.py', '../_base_/recipes/mask-rcnn_1x_coco.py']
model = dict(
    backbone=dict(_base_.backbone, attn=dict(type='mmattn.SE', bias=False), init_cfg=_base_.pretrained)
)  # as the paper's detectors
