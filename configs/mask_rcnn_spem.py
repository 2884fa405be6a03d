_base_ = 'spem/mask-rcnn_spem-resnet50_fpn_1x_coco.py'
