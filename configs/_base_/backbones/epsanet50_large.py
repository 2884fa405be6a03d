"""EPSANet-50 (large), a reconstruction."""

_base_ = 'epsanet50.py'
backbone = dict(size='large')
pretrained = dict(checkpoint='checkpoints/epsanet50_large.pth')
