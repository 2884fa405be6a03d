"""UPerNet on Cityscapes at 512 x 1024, 80,000 iterations, as in mmsegmentation."""

_base_ = 'mmseg::upernet/upernet_r50_4xb2-80k_cityscapes-512x1024.py'
custom_imports = dict(imports=['mmattn'])
model = dict(pretrained=None)  # the word for the backbone's init_cfg before mmengine
auto_scale_lr = dict(base_batch_size=8)  # on 4 GPUs
