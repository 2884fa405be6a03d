_base_ = 'epsanet/mask-rcnn_epsanet50_fpn_1x_coco.py'
