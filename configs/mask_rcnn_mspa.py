_base_ = 'mspanet/mask-rcnn_mspanet-b50_fpn_1x_coco.py'
