"""The same for SDA networks, which have a BatchNorm between pooling and linear layer."""

_base_ = 'in1k_120e.py'
model = dict(neck=dict(type='mmattn.GlobalAveragePoolingBN', in_channels=2048))
