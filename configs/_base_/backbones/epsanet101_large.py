"""EPSANet-101 (large), a reconstruction."""

_base_ = 'epsanet101.py'
backbone = dict(size='large')
pretrained = dict(checkpoint='checkpoints/epsanet101_large.pth')
