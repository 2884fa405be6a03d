_base_ = 'sda/faster-rcnn_sda-resnet86_fpn_1x_coco.py'
