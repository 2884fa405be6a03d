"""PreActMSPANet-164, 6w x 3s."""

_base_ = 'preact_resnet164.py'
backbone = dict(spatial=dict(type='mmattn.MSPA', base_width=6, reduction=4))
