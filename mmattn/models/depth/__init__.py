"""Attention over the residual sums of a stage's blocks: ``cls(channels, depth, norm_cfg=None, **options)``.

A module that maps a list of `depth` feature maps (N, channels, H, W) to one.
"""

from .after_stage import AfterStage
from .sda import SDA

__all__ = ['SDA', 'AfterStage']
