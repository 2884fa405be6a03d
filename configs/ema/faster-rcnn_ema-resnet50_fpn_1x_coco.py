# Not in the paper, which has MobileNetV2 on ImageNet and YOLOv5 on COCO and VisDrone.
_base_ = ['../_base_/backbones/ema_resnet50.py', '../_base_/recipes/faster-rcnn_1x_coco.py']
model = dict(backbone=dict(**_base_.backbone, init_cfg=_base_.pretrained))
