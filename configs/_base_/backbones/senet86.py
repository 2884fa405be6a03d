"""SENet-86."""

_base_ = 'senet50.py'
backbone = dict(depth=86)
pretrained = dict(checkpoint='checkpoints/senet86.pth')
