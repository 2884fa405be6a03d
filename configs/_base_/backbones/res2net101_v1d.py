"""Res2Net-101-v1d, mmdet's: a stem of three 3x3 convolutions, average pooling in the shortcuts."""

_base_ = 'res2net101.py'
backbone = dict(deep_stem=True, avg_down=True)
pretrained = dict(checkpoint='checkpoints/res2net101_v1d.pth')
