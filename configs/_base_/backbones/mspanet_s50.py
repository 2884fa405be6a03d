"""MSPANet-S-50."""

backbone = dict(type='mmattn.MSPANet', depth=50, size='S')
pretrained = dict(type='Pretrained', checkpoint='checkpoints/mspanet_s50.pth', prefix='backbone.')
