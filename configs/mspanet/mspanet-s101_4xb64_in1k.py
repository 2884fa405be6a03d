# The paper states epochs and steps; batch, lr, weight decay and loss are ours.
_base_ = ['../_base_/backbones/mspanet_s101.py', '../_base_/recipes/in1k_100e.py']
model = dict(backbone=_base_.backbone)
