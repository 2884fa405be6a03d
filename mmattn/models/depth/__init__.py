"""Attention over the maps of a stage's blocks: ``cls(channels, depth, norm_cfg=None, **options)``, a module that maps a
list of `depth` maps (N, channels, H, W) to one."""
from .sda import SDA

__all__ = ['SDA']
