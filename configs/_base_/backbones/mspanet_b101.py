"""MSPANet-B-101."""

backbone = dict(type='mmattn.MSPANet', depth=101, size='B')
pretrained = dict(type='Pretrained', checkpoint='checkpoints/mspanet_b101.pth', prefix='backbone.')
