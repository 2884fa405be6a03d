"""Inference on a few images of a batch at a time.

Images do not depend on each other in inference, so a stage may take a batch in parts. On a CPU the maps of a part stay
in the processor's cache, and memory grows with the part instead of the batch. A GPU is the faster the more images it
gets at once.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..compiling import is_recording
from ..hooked import is_hooked
from ..layout import format_of

# What the maps that a block works on may take together, in bytes: they have to fit a cache. Those that depth attention
# keeps do not: that smaller parts read them from a cache saves less than the parts cost.
PART_BYTES = 32 * 2**20
# Maps that a residual block works on at a time.
WORKING_MAPS = 4
# Each part reads all weights, so it is not made smaller than so many times these.
MAPS_PER_WEIGHTS = 4


def in_parts(layers: Callable[[Tensor], Tensor], modules: Sequence[nn.Module], x: Tensor, channels: int,
             stride: int) -> Tensor:
    """``layers(x)``, where it is inference on a CPU one part of the batch after the other.

    The batch stays whole where a module of the layers is in training mode or takes its statistics from the batch all
    the same, and where it has hooks, whose owner expects to see all of it.

    Args:
        layers: function of maps (N, C, H, W) that treats each image by itself in inference.
        modules: those that the layers consist of.
        x: the batch.
        channels: of the largest map that the layers make, (N, channels, H / stride, W / stride).
        stride: of that map.
    """
    if not _is_inference_on_cpu(x):
        return layers(x)
    map_bytes = channels * math.prod(x.shape[2:]) * x.element_size() / stride**2

    def images(part_bytes: int) -> int:
        return max(1, int(part_bytes / (WORKING_MAPS * map_bytes)))

    if len(x) <= images(PART_BYTES) or not all(_may_be_split(m) for module in modules for m in module.modules()):
        return layers(x)
    weight_bytes = sum(p.numel() * p.element_size() for module in modules for p in module.parameters())
    count = math.ceil(len(x) / images(max(PART_BYTES, MAPS_PER_WEIGHTS * weight_bytes)))
    if count == 1:
        return layers(x)
    out, done = None, 0
    for part in x.tensor_split(count):
        maps = layers(part)
        if out is None:
            out = torch.empty(len(x), *maps.shape[1:], dtype=maps.dtype, device=maps.device,
                              memory_format=format_of(maps))
        out[done:done + len(maps)] = maps
        done += len(maps)
    return out


def _is_inference_on_cpu(x: Tensor) -> bool:
    return x.device.type == 'cpu' and not (torch.is_grad_enabled() or is_recording())


def _may_be_split(module: nn.Module) -> bool:
    of_batch = module.training or isinstance(module, _BatchNorm) and module.running_mean is None
    return not of_batch and not is_hooked(module)
