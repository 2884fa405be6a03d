"""EPSANet-101 (small)."""

_base_ = 'epsanet50.py'
backbone = dict(depth=101)
pretrained = dict(checkpoint='checkpoints/epsanet101.pth')
