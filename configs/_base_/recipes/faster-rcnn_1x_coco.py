"""Faster R-CNN with FPN on COCO, 12 epochs, as in mmdet."""

_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'
custom_imports = dict(imports=['mmattn'])
train_dataloader = dict(batch_size=4)  # on 4 GPUs: the 16 images that lr 0.02 is for
auto_scale_lr = dict(base_batch_size=16)
custom_hooks = [dict(type='mmattn.FoldNormsHook')]  # BatchNorm is in eval mode
