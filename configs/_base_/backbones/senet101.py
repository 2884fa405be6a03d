"""SENet-101."""

_base_ = 'senet50.py'
backbone = dict(depth=101)
pretrained = dict(checkpoint='checkpoints/senet101.pth')
