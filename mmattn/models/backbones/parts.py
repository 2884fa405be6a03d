"""Inference on a few images of a batch at a time.

Images do not depend on each other in inference, so a stage may take a batch in parts. On a CPU the maps of a part stay
in the processor's cache, and memory grows with the part instead of the batch. A GPU is the faster the more images it
gets at once.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..compiling import is_compiling
from ..hooked import is_hooked
from ..layout import format_of

# What a part may take for one map, in bytes: several of them have to fit a cache.
PART_BYTES = 8 * 2**20


def in_parts(layers: Callable[[Tensor], Tensor], modules: Iterable[nn.Module], x: Tensor, channels: int,
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
    if not _may_be_split(modules, x):
        return layers(x)
    image_bytes = channels * math.prod(x.shape[2:]) * x.element_size() / stride**2
    count = min(len(x), math.ceil(len(x) * image_bytes / PART_BYTES))
    if count < 2:
        return layers(x)
    out, done = None, 0
    for part in x.tensor_split(count):
        maps = layers(part)
        if out is None:
            out = torch.empty(len(x), *maps.shape[1:], dtype=maps.dtype, memory_format=format_of(maps))
        out[done:done + len(maps)] = maps
        done += len(maps)
    return out


def _may_be_split(modules: Iterable[nn.Module], x: Tensor) -> bool:
    if x.device.type != 'cpu' or torch.is_grad_enabled() or torch.jit.is_tracing() or is_compiling():
        return False
    return not any(m.training or is_hooked(m) or isinstance(m, _BatchNorm) and m.running_mean is None
                   for module in modules for m in module.modules())
