"""The memory format that a network computes in.

On a CPU PyTorch's convolutions work channels last: a map in the default format is rewritten before each of them, and
back after it. Small batches are mostly faster in the default format all the same. On a GPU what is fastest depends on
the card, the precision and the convolutions, and the caller's choice stays.
"""
from __future__ import annotations

import torch
from torch import Tensor

from .compiling import is_recording

# Positions N * H * W of a batch of images from which on channels last is the faster on two cores: two of 224 px.
# What it costs below: tools/benchmark.py 'AttnResNet(depth=18)' --batch 2 --size 64 --mode infer --against
# torchvision.models:resnet18, with --channels-last and without.
LEAST_POSITIONS = 100_000


def is_channels_last(x: Tensor) -> bool:
    """Whether `x` is stored channels last, and not both ways, as a map of one position is."""
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def format_of(x: Tensor) -> torch.memory_format:
    """The memory format of the map `x`: channels last, or the default one."""
    return torch.channels_last if is_channels_last(x) else torch.contiguous_format


def in_fast_format(x: Tensor) -> Tensor:
    """The images `x` in the format in which a network is fastest on its device."""
    # The library behind PyTorch's CPU convolutions has none in double precision.
    if x.device.type != 'cpu' or x.dtype == torch.float64:
        return x
    # What is recorded for this batch may be run on larger ones.
    if is_recording() or x.numel() // x.shape[1] >= LEAST_POSITIONS:
        return x.contiguous(memory_format=torch.channels_last)
    return x
