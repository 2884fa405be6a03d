"""ResNet-101 with CBAM."""

_base_ = 'cbam50.py'
backbone = dict(depth=101)
pretrained = dict(checkpoint='checkpoints/cbam101.pth')
