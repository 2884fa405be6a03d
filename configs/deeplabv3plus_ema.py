"""DeepLabV3+ with EMA-ResNet-50 for semantic segmentation of ADE20K; needs the extra seg."""

_base_ = 'seg/deeplabv3plus_ema-resnet50_4xb4-80k_ade20k-512x512.py'
