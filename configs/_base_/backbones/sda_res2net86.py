"""SDA-Res2Net-86: Res2Net-86 with depth attention."""

_base_ = 'res2net86.py'
backbone = dict(depth_attn='mmattn.SDA')
pretrained = dict(checkpoint='checkpoints/sda_res2net86.pth')
