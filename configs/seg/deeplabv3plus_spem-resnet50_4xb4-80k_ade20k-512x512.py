_base_ = ['../_base_/backbones/spem_resnet50.py', '../_base_/recipes/deeplabv3plus_80k_ade20k.py']
model = dict(backbone=dict(**_base_.backbone, init_cfg=_base_.pretrained))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'.attn.p': dict(decay_mult=401)}))  # 0.2 beside 5e-4
