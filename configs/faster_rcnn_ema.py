_base_ = 'ema/faster-rcnn_ema-resnet50_fpn_1x_coco.py'
