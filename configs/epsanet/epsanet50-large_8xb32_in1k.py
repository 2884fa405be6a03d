_base_ = ['../_base_/backbones/epsanet50_large.py', '../_base_/recipes/in1k_120e.py']
model = dict(backbone=_base_.backbone)
train_dataloader = dict(batch_size=32)
