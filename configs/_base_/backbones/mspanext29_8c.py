"""MSPANeXt-29, 8c x 30w x 3s."""

_base_ = 'mspanext29_6c.py'
backbone = dict(spatial=dict(groups=8))
