"""DeepLabV3+ with SDA-ResNet-86 for semantic segmentation of ADE20K; needs the extra seg."""

_base_ = 'seg/deeplabv3plus_sda-resnet86_4xb4-80k_ade20k-512x512.py'
