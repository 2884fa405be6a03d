"""Mask R-CNN with FPN at its usual width, trained by SGD."""

_base_ = ['mmdet::_base_/models/mask-rcnn_r50_fpn.py', './detection.py']
val_evaluator = dict(metric=['bbox', 'segm'])
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best='coco/segm_mAP'))
