_base_ = 'ema/mask-rcnn_ema-resnet50_fpn_1x_coco.py'
