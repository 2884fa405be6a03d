"""Weights that exercise every part of a network.

Some modules start in a state that hides what they do: gates that are closed, BatchNorm that is the identity. Two
networks that agree in such a state need not be the same, and growing activations end in infinities.
"""

from __future__ import annotations

import math

import torch
from torch import nn


def randomise(model: nn.Module, seed: int = 0) -> None:
    """Fills parameters and BatchNorm's statistics with values that keep activations in range.

    Convolutions and linear layers are normal with variance 2 / fan-in, norms near the identity, everything else normal
    with deviation 0.5.

    Args:
        model: a model on the CPU.
        seed: of the generator, which is the function's own.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            if not tensor.is_floating_point():
                continue
            noise = torch.randn(tensor.shape, generator=generator)
            leaf = name.rpartition('.')[2]
            if leaf == 'running_var':
                tensor.copy_(1 + 0.5 * noise.abs())
            elif leaf in ('running_mean', 'bias'):
                tensor.copy_(0.1 * noise)
            elif leaf == 'weight' and tensor.dim() > 1:
                tensor.copy_(noise * math.sqrt(2 / math.prod(tensor.shape[1:])))
            elif leaf == 'weight':
                tensor.copy_(1 + 0.1 * noise)
            elif isinstance(tensor, nn.Parameter):
                tensor.copy_(0.5 * noise)
