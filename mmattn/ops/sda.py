"""Pooling and weighted sum of depth attention (SDA, arXiv:2209.10327), with lean gradients on a CPU.

PyTorch's own backward pass writes a feature map for the gradient of each mean, and one for the product of each feature
map with the gradient of the weighted sum, only to sum it up. The faster way needs neither.
"""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .function import faster_function
from .switch import takes_faster

# Bytes of the products that are summed up at a time: they have to stay in a processor's cache.
PRODUCT_BYTES = 2**20


def channel_mean(x: Tensor, faster: bool | None = None) -> Tensor:
    """The mean of each channel.

    Args:
        x: Feature map (N, C, H, W).
        faster: Overrides the switch of the faster way 'sda', None: does not.

    Returns:
        (N, C, 1, 1).
    """
    return (_mean if takes_faster('sda', x, faster=faster) else _mean_reference)(None, x)


def weighted_sum(weights: Tensor, sums: Sequence[Tensor], faster: bool | None = None) -> Tensor:
    """The sum of feature maps, each weighted by channel: sum over k of a_k Z_k.

    Args:
        weights: The weights a_k, (N, m, C, 1, 1).
        sums: The m feature maps Z_k, each (N, C, H, W).
        faster: Overrides the switch of the faster way 'sda', None: does not.

    Returns:
        (N, C, H, W).
    """
    faster = takes_faster('sda', weights, *sums, faster=faster)
    return (_weighted_sum if faster else _weighted_sum_reference)(None, weights, *sums)


def _mean_reference(_, x: Tensor) -> Tensor:
    return x.mean((2, 3), keepdim=True)


def _mean_gradient(_, inputs: list[Tensor], _output: None, gradient: Tensor,
                   _needed: tuple[bool, ...]) -> tuple[Tensor]:
    """The same value for all positions, as a view."""
    x, = inputs
    return ((gradient / max(1, x.shape[2] * x.shape[3])).expand(x.shape),)


def _weighted_sum_reference(_, weights: Tensor, *sums: Tensor) -> Tensor:
    out = sums[0] * weights[:, 0]
    for k in range(1, len(sums)):
        out = torch.addcmul(out, sums[k], weights[:, k])
    return out


def _weighted_sum_forward(_, weights: Tensor, *sums: Tensor) -> Tensor:
    out = sums[0] * weights[:, 0]
    for k in range(1, len(sums)):
        out.addcmul_(sums[k], weights[:, k])
    return out


def _weighted_sum_gradients(_, inputs: list[Tensor], _output: None, gradient: Tensor,
                            needed: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
    weights, *sums = inputs
    dweights = torch.stack([_dot(gradient, z) for z in sums], 1) if needed[0] else None
    return dweights, *(gradient * weights[:, k] if needed[k + 1] else None for k in range(len(sums)))


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """The sum over positions of ``a * b``, (N, C, 1, 1), without a product of the size of a feature map."""
    images = max(1, PRODUCT_BYTES // max(1, a[:1].numel() * a.element_size()))
    return torch.cat([(p * q).sum((2, 3), keepdim=True) for p, q in zip(a.split(images), b.split(images))])


_mean = faster_function(_mean_reference, _mean_reference, _mean_gradient, keeps_output=False)
_weighted_sum = faster_function(_weighted_sum_reference, _weighted_sum_forward, _weighted_sum_gradients,
                                keeps_output=False)
