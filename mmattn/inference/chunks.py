"""Inference on a few images of a batch at a time, for a CPU.

Images do not depend on each other in inference, so a stage may take a batch in chunks. On a CPU the feature maps of a
chunk stay in the processor's cache, and memory grows with the chunk instead of the batch.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn

# Bytes that the feature maps which a residual block works on may take together: they have to fit a cache.
CHUNK_BYTES = 32 * 2**20
# Feature maps that a residual block works on at a time.
WORKING_MAPS = 4
# Each chunk reads all weights, so it is not made smaller than so many times these.
MAPS_PER_WEIGHTS = 4


def run_in_chunks(layers: nn.Module, channels: int, stride: int) -> None:
    """Has a module take a batch in chunks, where that is on a CPU.

    Args:
        layers: Module of feature maps (N, C, H, W), in eval mode, that treats each image by itself; changed in place.
        channels: Number of channels of its largest feature map, (N, channels, H / stride, W / stride).
        stride: Stride of that feature map.
    """
    weights = sum(p.numel() * p.element_size() for p in layers.parameters())
    layers.forward = partial(_forward, layers, channels / stride**2, weights)


def _forward(layers: nn.Module, values_per_position: float, weight_bytes: int, x: Tensor) -> Tensor:
    forward = partial(type(layers).forward, layers)
    count = _chunks(x, values_per_position, weight_bytes)
    if count == 1:
        return forward(x)
    out: Tensor | None = None
    done = 0
    for chunk in x.tensor_split(count):
        result = forward(chunk)
        if out is None:  # not torch.cat, which would hold all chunks twice
            channels_last = result.is_contiguous(memory_format=torch.channels_last) and not result.is_contiguous()
            out = torch.empty(
                len(x),
                *result.shape[1:],
                dtype=result.dtype,
                memory_format=torch.channels_last if channels_last else torch.contiguous_format,
            )
        out[done : done + len(result)] = result
        done += len(result)
    assert out is not None  # as there is a chunk at least
    return out


def _chunks(x: Tensor, values_per_position: float, weight_bytes: int) -> int:
    """The number of chunks that the batch `x` is taken in."""
    image_bytes = values_per_position * math.prod(x.shape[2:]) * x.element_size()  # of its largest feature map
    if x.device.type != 'cpu' or len(x) <= max(1, int(CHUNK_BYTES / (WORKING_MAPS * image_bytes))):
        return 1
    images = max(1, int(max(CHUNK_BYTES, MAPS_PER_WEIGHTS * weight_bytes) / (WORKING_MAPS * image_bytes)))
    return math.ceil(len(x) / images)
