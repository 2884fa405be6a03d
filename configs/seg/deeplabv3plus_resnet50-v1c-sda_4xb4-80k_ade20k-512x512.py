# Ours: needs no weights that one has to train first, as mmsegmentation's are loaded by themselves.
_base_ = ['../_base_/backbones/resnet50_v1c_sda.py', '../_base_/recipes/deeplabv3plus_80k_ade20k.py']
model = dict(backbone=dict(**_base_.backbone, init_cfg=_base_.pretrained))
