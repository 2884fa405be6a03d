"""The memory format that a network computes in.

On a CPU PyTorch's convolutions work channels last: a map in the default format is rewritten before each of them, and
back after it. On a GPU what is fastest depends on the card, the precision and the convolutions, and the caller's choice
stays.
"""
from __future__ import annotations

import torch
from torch import Tensor


def is_channels_last(x: Tensor) -> bool:
    """Whether `x` is stored channels last, and not both ways, as a map of one position is."""
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def format_of(x: Tensor) -> torch.memory_format:
    """The memory format of the map `x`: channels last, or the default one."""
    return torch.channels_last if is_channels_last(x) else torch.contiguous_format


def in_fast_format(x: Tensor) -> Tensor:
    """The map `x` in the format in which a network is fastest on its device."""
    # The library behind PyTorch's CPU convolutions has none in double precision.
    if x.device.type == 'cpu' and x.dtype != torch.float64:
        return x.contiguous(memory_format=torch.channels_last)
    return x
