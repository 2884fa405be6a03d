"""SPEM-ResNet-164 for images of 32 x 32 pixels."""

_base_ = ['resnet164.py', '../spem_penalty.py']
backbone = dict(type='mmattn.SPEMResNet')
