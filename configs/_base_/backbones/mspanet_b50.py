"""MSPANet-B-50."""

backbone = dict(type='mmattn.MSPANet', depth=50, size='B')
pretrained = dict(type='Pretrained', checkpoint='checkpoints/mspanet_b50.pth', prefix='backbone.')
