"""Attention over the maps of a stage's blocks: ``cls(channels, depth, norm_cfg=None, **options)``.

A module that maps a list of `depth` maps (N, channels, H, W) to one, and may get as a second argument the list of what
its method ``summarize(map)`` returned for each: a stage calls it as soon as it has a map, while that is in the cache.
"""
from .after_stage import AfterStage
from .sda import SDA

__all__ = ['SDA', 'AfterStage']
