# Not in the paper, whose network has 86 layers; segmentors start from its weights.
_base_ = ['../_base_/backbones/sda_resnet50.py', '../_base_/recipes/in1k_120e_sda.py']
model = dict(backbone=_base_.backbone)
