"""MSPANet-S-101."""

backbone = dict(type='mmattn.MSPANet', depth=101, size='S')
pretrained = dict(type='Pretrained', checkpoint='checkpoints/mspanet_s101.pth', prefix='backbone.')
