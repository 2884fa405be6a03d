# Not in the paper: what its detectors of this network start from.
_base_ = ['../_base_/backbones/res2net101_v1d.py', '../_base_/recipes/in1k_120e.py']
model = dict(backbone=_base_.backbone)
