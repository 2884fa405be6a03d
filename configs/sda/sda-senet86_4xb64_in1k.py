_base_ = ['../_base_/backbones/sda_senet86.py', '../_base_/recipes/in1k_120e_sda.py']
model = dict(backbone=_base_.backbone)
