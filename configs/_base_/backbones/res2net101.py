"""Res2Net-101."""

_base_ = 'res2net50.py'
backbone = dict(depth=101)
pretrained = dict(checkpoint='checkpoints/res2net101.pth')
