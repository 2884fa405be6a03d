"""SDA-CBAM-86: CBAM-86 with depth attention."""

_base_ = 'cbam86.py'
backbone = dict(depth_attn='mmattn.SDA')
pretrained = dict(checkpoint='checkpoints/sda_cbam86.pth')
