"""Loaders, evaluation and loops of the detectors of tools/fit.py; data, sizes and schedule are in their own config."""

_base_ = 'mmdet::_base_/default_runtime.py'
custom_imports = dict(imports=['mmattn'])

train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    batch_sampler=dict(type='AspectRatioBatchSampler'),
    dataset=dict(type='CocoDataset'),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='CocoDataset', test_mode=True),
)
val_evaluator = dict(type='CocoMetric', metric='bbox')
test_dataloader, test_evaluator = val_dataloader, val_evaluator

train_cfg = dict(type='EpochBasedTrainLoop')
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(interval=1, max_keep_ckpts=1, minutes=5, save_best='coco/bbox_mAP', rule='greater'),
)
custom_hooks = [dict(type='mmattn.ResourceHook')]
randomness = dict(seed=0)

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=1e-4),
    clip_grad=dict(max_norm=35),
)
