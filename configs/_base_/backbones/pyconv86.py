"""PyConvResNet-86."""

_base_ = 'pyconv50.py'
backbone = dict(depth=86)
pretrained = dict(checkpoint='checkpoints/pyconv86.pth')
