_base_ = 'spem/faster-rcnn_spem-resnet50_fpn_1x_coco.py'
