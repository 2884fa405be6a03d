"""CIFAR-100 as EMA is trained: 128 images at lr 0.1, a fifth after 60, 120 and 160 of 200 epochs."""

_base_ = [
    'mmpretrain::_base_/models/resnet50.py',
    'mmpretrain::_base_/datasets/cifar100_bs16.py',
    'mmpretrain::_base_/schedules/cifar10_bs128.py',
    'mmpretrain::_base_/default_runtime.py',
]
custom_imports = dict(imports=['mmattn'])
model = dict(backbone=dict(stem='cifar'), head=dict(num_classes=100))
# means and deviations of CIFAR-10, as there
data_preprocessor = dict(mean=[125.307, 122.961, 113.8575], std=[62.985, 62.0925, 66.708])
train_dataloader = dict(batch_size=128)
val_dataloader = dict(batch_size=100)
test_dataloader = val_dataloader
val_evaluator = dict(topk=(1, 5))
test_evaluator = val_evaluator
optim_wrapper = dict(optimizer=dict(weight_decay=5e-4))
param_scheduler = dict(milestones=[60, 120, 160], gamma=0.2)
