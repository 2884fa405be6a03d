"""Inference on a few images of a batch at a time, for a CPU.

Images do not depend on each other in inference, so a stage may take a batch in chunks. On a CPU the feature maps of a
chunk stay in the processor's cache, and memory grows with the chunk instead of the batch.
"""
from __future__ import annotations

import math

import torch
from torch import Tensor, nn

# Bytes that the feature maps which a residual block works on may take together: they have to fit a cache.
CHUNK_BYTES = 32 * 2**20
# Feature maps that a residual block works on at a time.
WORKING_MAPS = 4
# Each chunk reads all weights, so it is not made smaller than so many times these.
MAPS_PER_WEIGHTS = 4


class Chunked(nn.Module):
    """Runs layers on a batch in chunks, on a CPU: (N, C, H, W) -> (N, channels, H / stride, W / stride).

    Args:
        layers: Module that treats each image by itself in inference.
        channels: Number of channels of its largest feature map, (N, channels, H / stride, W / stride).
        stride: Stride of that feature map.
    """

    def __init__(self, layers: nn.Module, channels: int, stride: int) -> None:
        super().__init__()
        self.layers, self.channels, self.stride = layers, channels, stride
        self.weight_bytes = sum(p.numel() * p.element_size() for p in layers.parameters())

    def chunks(self, x: Tensor) -> int:
        """How many chunks the batch `x` is taken in."""
        if x.device.type != 'cpu':
            return 1
        image = self.channels * math.prod(x.shape[2:]) * x.element_size() / self.stride**2  # bytes of a feature map
        if len(x) <= max(1, int(CHUNK_BYTES / (WORKING_MAPS * image))):
            return 1
        images = max(1, int(max(CHUNK_BYTES, MAPS_PER_WEIGHTS * self.weight_bytes) / (WORKING_MAPS * image)))
        return math.ceil(len(x) / images)

    def forward(self, x: Tensor) -> Tensor:
        count = self.chunks(x)
        if count <= 1:
            return self.layers(x)
        out, done = None, 0
        for chunk in x.tensor_split(count):
            part = self.layers(chunk)
            if out is None:  # not torch.cat, which would hold all chunks twice
                out = torch.empty_strided((len(x), *part.shape[1:]), part.stride(), dtype=part.dtype)
            out[done:done + len(part)] = part
            done += len(part)
        return out
