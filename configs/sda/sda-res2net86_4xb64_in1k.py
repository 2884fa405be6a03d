_base_ = ['../_base_/backbones/sda_res2net86.py', '../_base_/recipes/in1k_120e_sda.py']
model = dict(backbone=_base_.backbone)
