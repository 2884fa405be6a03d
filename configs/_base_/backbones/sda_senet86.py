"""SDA-SENet-86: SENet-86 with depth attention."""

_base_ = 'senet86.py'
backbone = dict(depth_attn='mmattn.SDA')
pretrained = dict(checkpoint='checkpoints/sda_senet86.pth')
