"""PreActResNet-164."""

_base_ = 'resnet164.py'
backbone = dict(block='preact')
