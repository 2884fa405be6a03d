"""DeepLabV3+ on ADE20K at 512 x 512, 80,000 iterations, as in mmsegmentation."""

_base_ = 'mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb4-80k_ade20k-512x512.py'
custom_imports = dict(imports=['mmattn'])
model = dict(pretrained=None)  # the word for the backbone's init_cfg before mmengine
auto_scale_lr = dict(base_batch_size=16)  # on 4 GPUs
