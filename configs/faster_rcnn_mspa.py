_base_ = 'mspanet/faster-rcnn_mspanet-b50_fpn_1x_coco.py'
