"""EPSANet-50 (small)."""

backbone = dict(type='mmattn.EPSANet', depth=50)
pretrained = dict(type='Pretrained', checkpoint='checkpoints/epsanet50.pth', prefix='backbone.')
