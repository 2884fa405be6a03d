"""DeepLabV3+ with a thin SDA-ResNet-50 on 31 nuclei images, from random weights: a few minutes on two CPU cores."""

_base_ = ['mmseg::_base_/models/deeplabv3plus_r50-d8.py', 'mmseg::_base_/default_runtime.py']
custom_imports = dict(imports=['mmattn'])

# Model: a quarter of the usual width, an output of stride 16 with the dilations that go with it. Batches are too small
# for BatchNorm.
norm_cfg = dict(type='GN', num_groups=8)
model = dict(
    data_preprocessor=dict(size=(256, 256)),
    pretrained=None,
    backbone=dict(
        type='mmattn.SDAResNet',
        depth=50,
        base_channels=16,
        deep_stem=True,
        strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2),
        norm_cfg=norm_cfg,
    ),
    decode_head=dict(
        in_channels=512,
        channels=64,
        dilations=(1, 6, 12, 18),
        c1_in_channels=64,
        c1_channels=16,
        num_classes=2,
        norm_cfg=norm_cfg,
    ),
    auxiliary_head=dict(in_channels=256, channels=64, num_classes=2, norm_cfg=norm_cfg),
)

# Data: the images in demo/, wherever the command is run.
# In double quotes, as a path may have an apostrophe in it.
data_root = "{{ fileDirname }}/../../demo/nuclei_mini/"  # fmt: skip
metainfo = dict(classes=('background', 'nucleus'), palette=[(0, 0, 0), (220, 20, 60)])
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(256, 256), ratio_range=(0.8, 1.6), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(256, 256)),
    dict(type='RandomFlip', prob=0.75, direction=['horizontal', 'vertical', 'diagonal']),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(256, 256), keep_ratio=True),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
dataset = dict(
    type='BaseSegDataset',
    data_root=data_root,
    data_prefix=dict(img_path='images', seg_map_path='labels'),
    img_suffix='.png',
    seg_map_suffix='.png',
    metainfo=metainfo,
)
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(**dataset, ann_file='train.txt', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**dataset, ann_file='val.txt', test_mode=True, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator

# Schedule.
max_iters = 250
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=50)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05), clip_grad=dict(max_norm=10)
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=30),
    dict(type='CosineAnnealingLR', T_max=max_iters, by_epoch=False),
]
auto_scale_lr = dict(base_batch_size=4)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=10, log_metric_by_epoch=False),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=50, max_keep_ckpts=1),
)
custom_hooks = [dict(type='mmattn.ResourceHook')]
randomness = dict(seed=0)
