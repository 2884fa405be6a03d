_base_ = 'epsanet/faster-rcnn_epsanet50_fpn_1x_coco.py'
