"""Res2Net-86."""

_base_ = 'res2net50.py'
backbone = dict(depth=86)
pretrained = dict(checkpoint='checkpoints/res2net86.pth')
