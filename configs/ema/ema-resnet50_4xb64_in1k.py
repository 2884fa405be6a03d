# Not in the paper, which has MobileNetV2 on ImageNet and YOLOv5 on COCO and VisDrone.
# Recipe of SDA-xNet and EPSANet.
_base_ = ['../_base_/backbones/ema_resnet50.py', '../_base_/recipes/in1k_120e.py']
model = dict(backbone=_base_.backbone)
