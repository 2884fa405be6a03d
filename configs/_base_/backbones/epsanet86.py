"""EPSANet-86 (small)."""

_base_ = 'epsanet50.py'
backbone = dict(depth=86)
pretrained = dict(checkpoint='checkpoints/epsanet86.pth')
