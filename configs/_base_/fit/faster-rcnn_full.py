"""Faster R-CNN with FPN at its usual width, trained by SGD."""

_base_ = ['mmdet::_base_/models/faster-rcnn_r50_fpn.py', './detection.py']
