_base_ = ['../_base_/backbones/resnet50_v1c.py', '../_base_/recipes/upernet_80k_ade20k.py']
model = dict(backbone=dict(**_base_.backbone, init_cfg=_base_.pretrained))
