"""SDA-PyConv-86: PyConv-86 with depth attention."""

_base_ = 'pyconv86.py'
backbone = dict(depth_attn='mmattn.SDA')
pretrained = dict(checkpoint='checkpoints/sda_pyconv86.pth')
