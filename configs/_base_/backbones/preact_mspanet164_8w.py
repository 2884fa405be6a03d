"""PreActMSPANet-164, 8w x 3s."""

_base_ = 'preact_resnet164.py'
backbone = dict(spatial=dict(type='mmattn.MSPA', base_width=8, reduction=8))
