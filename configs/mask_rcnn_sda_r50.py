_base_ = 'sda/mask-rcnn_resnet50-sda_fpn_1x_coco.py'
