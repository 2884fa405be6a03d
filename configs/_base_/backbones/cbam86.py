"""ResNet-86 with CBAM."""

_base_ = 'cbam50.py'
backbone = dict(depth=86)
pretrained = dict(checkpoint='checkpoints/cbam86.pth')
