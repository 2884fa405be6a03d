"""Res2Net-50-v1d, mmdet's: a stem of three 3x3 convolutions, average pooling in the shortcuts."""

_base_ = 'res2net50.py'
backbone = dict(deep_stem=True, avg_down=True)
pretrained = dict(checkpoint='checkpoints/res2net50_v1d.pth')
