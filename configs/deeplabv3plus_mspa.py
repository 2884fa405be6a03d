"""DeepLabV3+ with MSPANet-B-50 for semantic segmentation of ADE20K; needs the extra seg."""

_base_ = 'seg/deeplabv3plus_mspanet-b50_4xb4-80k_ade20k-512x512.py'
