"""CIFAR-100 as SPEM is trained: 128 images at lr 0.1, a tenth after 81 and 122 of 164 epochs."""

_base_ = 'cifar100_200e.py'
model = dict(head=dict(in_channels=256))
data_preprocessor = dict(std=[51.5865, 50.847, 51.255])
optim_wrapper = dict(optimizer=dict(weight_decay=1e-4))
param_scheduler = dict(milestones=[81, 122], gamma=0.1)
train_cfg = dict(max_epochs=164)
