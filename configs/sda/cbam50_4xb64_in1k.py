_base_ = ['../_base_/backbones/cbam50.py', '../_base_/recipes/in1k_120e.py']
model = dict(backbone=_base_.backbone)
