"""Operations with two ways to the same numbers: a reference formula, and a faster way for the CPU.

One switch chooses between them, see `mmattn.ops.switch`. On every other device, under autocast, in other precisions
than single and double (for `conv2d` single), in traces, exports and compilation the reference runs.
"""

from . import ema
from .extrema import channel_max, channel_min
from .grouped_conv import conv2d
from .switch import FASTER_WAYS, faster_way, faster_ways, set_faster, use_faster

__all__ = [
    'FASTER_WAYS',
    'channel_max',
    'channel_min',
    'conv2d',
    'ema',
    'faster_way',
    'faster_ways',
    'set_faster',
    'use_faster',
]
