"""Attention modules: ``cls(in_channels, **options)``, each (N, C, H, W) -> (N, C, H, W)."""

from .bam import BAM
from .base import Attention
from .cbam import CBAM
from .coord import CoordAttention
from .eca import ECA
from .ema import EMA
from .fca import FCA
from .global_context import GlobalContext
from .nam import NAM
from .se import SE
from .shuffle import ShuffleAttention
from .simam import SimAM
from .spem import SPEM
from .triplet import TripletAttention

__all__ = [
    'BAM',
    'CBAM',
    'ECA',
    'EMA',
    'FCA',
    'NAM',
    'SE',
    'SPEM',
    'Attention',
    'CoordAttention',
    'GlobalContext',
    'ShuffleAttention',
    'SimAM',
    'TripletAttention',
]
