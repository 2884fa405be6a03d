"""Classifier, its loaders, evaluation and loops; data, sizes and schedule are in a config of tools/fit.py."""

_base_ = 'mmpretrain::_base_/default_runtime.py'
custom_imports = dict(imports=['mmattn'])

model = dict(
    type='ImageClassifier',
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1)),
)
data_preprocessor = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)

train_dataloader = dict(
    num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True), dataset=dict(type='CustomDataset')
)
val_dataloader = dict(
    batch_size=32, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False), dataset=dict(type='CustomDataset')
)
val_evaluator = dict(type='Accuracy')
test_dataloader, test_evaluator = val_dataloader, val_evaluator

train_cfg = dict(type='EpochBasedTrainLoop')
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(interval=1, max_keep_ckpts=1, minutes=5, save_best='accuracy/top1', rule='greater'),
)
custom_hooks = [dict(type='mmattn.ResourceHook')]
randomness = dict(seed=0)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4))
