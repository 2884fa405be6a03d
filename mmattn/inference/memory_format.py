"""The memory format in which a network runs fastest on a CPU.

PyTorch's CPU convolutions work channels last: a feature map in the default format is rewritten before each of them, and
back after it. Small batches are mostly faster in the default format all the same. On a GPU what is fastest depends on
the card, the precision and the convolutions, and the caller's choice stays.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Positions N * H * W of a batch of images from which on channels last is the faster on two cores: two of 224 px.
# What it costs below: tools/benchmark.py 'AttnResNet(depth=18)' --batch 2 --size 64 --mode infer --against
# torchvision.models:resnet18, with --channels-last and without.
LEAST_POSITIONS = 100_000


def convert_images(_network: nn.Module, args: tuple) -> tuple:
    """Forward pre-hook of a network: its images in the format in which it is fastest, see `in_fast_format`."""
    return (in_fast_format(args[0]), *args[1:]) if args else args


def in_fast_format(x: Tensor) -> Tensor:
    """The images `x`, (N, C, H, W), in the memory format in which a network is fastest on their device."""
    # The library behind PyTorch's CPU convolutions has none in double precision.
    if x.device.type != 'cpu' or x.dtype == torch.float64 or x.numel() // x.shape[1] < LEAST_POSITIONS:
        return x
    return x.contiguous(memory_format=torch.channels_last)
