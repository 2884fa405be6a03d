"""DeepLabV3+ at its usual width, trained by SGD; data, sizes and schedule are in a config of tools/fit.py.

The backbone has an output of stride 16, to which the dilations of the head belong. Batches are small, and images of one
data set alike, so that the heads have GroupNorm.
"""

_base_ = ['mmseg::_base_/models/deeplabv3plus_r50-d8.py', 'mmseg::_base_/default_runtime.py']
custom_imports = dict(imports=['mmattn'])

norm_cfg = dict(_delete_=True, type='GN', num_groups=16)
loss = dict(type='CrossEntropyLoss', avg_non_ignore=True)
model = dict(
    pretrained=None,
    decode_head=dict(dilations=(1, 6, 12, 18), norm_cfg=norm_cfg, loss_decode=loss),
    auxiliary_head=dict(norm_cfg=norm_cfg, loss_decode=loss),
)

train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='BaseSegDataset'),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='BaseSegDataset', test_mode=True),
)
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_dataloader, test_evaluator = val_dataloader, val_evaluator

train_cfg = dict(type='EpochBasedTrainLoop')
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

log_processor = dict(by_epoch=True)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=20),
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=1, minutes=5, save_best='mIoU', rule='greater'),
)
custom_hooks = [dict(type='mmattn.ResourceHook')]
randomness = dict(seed=0)

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=5e-4),
    clip_grad=dict(max_norm=35),
)
