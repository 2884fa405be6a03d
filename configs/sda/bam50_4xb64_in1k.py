_base_ = ['../_base_/backbones/bam50.py', '../_base_/recipes/in1k_120e.py']
model = dict(backbone=_base_.backbone)
