"""The same on CIFAR-10."""

_base_ = 'cifar100_164e.py'
model = dict(head=dict(num_classes=10))
data_preprocessor = dict(num_classes=10)
dataset = dict(type='CIFAR10', data_root='data/cifar10/')
train_dataloader = dict(dataset=dataset)
val_dataloader = dict(dataset=dataset)
test_dataloader = val_dataloader
