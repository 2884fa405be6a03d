"""SDA-EPSANet-86: EPSANet-86 with depth attention."""

_base_ = 'epsanet86.py'
backbone = dict(depth_attn='mmattn.SDA')
pretrained = dict(checkpoint='checkpoints/sda_epsanet86.pth')
