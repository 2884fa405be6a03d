"""Faster R-CNN with FPN at its usual width, trained by SGD."""
_base_ = ['mmdet::_base_/models/faster-rcnn_r50_fpn.py', './detection.py']
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=1e-4),
    clip_grad=dict(max_norm=35))
