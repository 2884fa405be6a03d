_base_ = 'sda/mask-rcnn_sda-resnet86_fpn_1x_coco.py'
