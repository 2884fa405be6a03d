"""A small SDA-ResNet on 500 photographs of hands that sign digits, from random weights: about a minute on a CPU core.

The folders are laid out as ImageNet's are, one for each class, so the same dataset type reads them.
"""

_base_ = 'mmpretrain::_base_/default_runtime.py'
custom_imports = dict(imports=['mmattn'])

# Model: two bottlenecks in each of three stages, a quarter of the usual width.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='mmattn.SDAResNet',
        depth=None,
        stage_blocks=(2, 2, 2),
        base_channels=16,
        out_indices=(2,),
        zero_init_residual=True,
    ),
    neck=dict(type='mmattn.GlobalAveragePoolingBN', in_channels=256),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=256,
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1),
        topk=(1, 5),
    ),
)

# Data: the images in demo/, 64 x 64 pixels, wherever the command is run.
data_preprocessor = dict(num_classes=10, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
# In double quotes, as a path may have an apostrophe in it.
data_root = "{{ fileDirname }}/../../demo/sign_digits_mini"  # fmt: skip
dataset = dict(type='CustomDataset', data_root=data_root, classes=[str(digit) for digit in range(10)])
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=64, crop_ratio_range=(0.6, 1.0)),
    dict(type='ColorJitter', brightness=0.3, contrast=0.3),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=64),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=25,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(**dataset, data_prefix='train', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=50,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**dataset, data_prefix='val', pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='Accuracy', topk=(1, 5))
test_evaluator = val_evaluator

# Schedule.
max_epochs = 25
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=5)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=3e-3, weight_decay=0.05))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=40),
    dict(type='CosineAnnealingLR', T_max=max_epochs, by_epoch=True, convert_to_iter_based=True),
]
auto_scale_lr = dict(base_batch_size=25)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(max_keep_ckpts=1))
randomness = dict(seed=0)
