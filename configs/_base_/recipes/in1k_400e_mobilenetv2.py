"""MobileNetV2 on ImageNet-1k as EMA's authors train it with timm: 512 images at lr 0.4, cosine over 400 epochs.

Theirs too: 5 epochs of warm-up, RandAugment of magnitude 9, label smoothing 0.1, an average of the weights, mixed
precision. mmpretrain's MobileNetV2 has neither the dropout nor the drop path (0.2 each) of theirs.
"""

_base_ = [
    'mmpretrain::_base_/models/mobilenet_v2_1x.py',
    'mmpretrain::_base_/datasets/imagenet_bs256_rsb_a12.py',
    'mmpretrain::_base_/schedules/imagenet_bs256.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(imports=['mmattn'])
model = dict(head=dict(loss=dict(_delete_=True, type='LabelSmoothLoss', label_smooth_val=0.1)))

# Data: the base has magnitude 7, and 236 pixels in the test.
train_pipeline = _base_.train_pipeline
train_pipeline[3].magnitude_level = 9
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = 256
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

# Schedule.
max_epochs, warmup_epochs = 400, 5
optim_wrapper = dict(type='AmpOptimWrapper', optimizer=dict(lr=0.4, weight_decay=1e-5))
param_scheduler = [
    dict(type='LinearLR', start_factor=2.5e-4, by_epoch=True, end=warmup_epochs, convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR', T_max=max_epochs - warmup_epochs, by_epoch=True, begin=warmup_epochs, end=max_epochs
    ),
]
train_cfg = dict(max_epochs=max_epochs)
custom_hooks = [dict(type='EMAHook', momentum=1e-4, update_buffers=True)]
auto_scale_lr = dict(base_batch_size=512)
