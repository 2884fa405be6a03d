"""The product of a map with one weight for each of its channels, which is what most attention ends in."""
from __future__ import annotations

import torch
from torch import Tensor

from .compiling import own_gradients

# Of the products that `dot` makes at a time: they have to stay in a processor's cache.
PRODUCT_BYTES = 2**20


def scale(x: Tensor, weight: Tensor, plus: Tensor | None = None) -> Tensor:
    """``x * weight``, or ``plus + x * weight``, in the type of `x`: maps (N, C, H, W) and weights (N, C, 1, 1)."""
    weight = weight.to(x.dtype)  # autocast gives float32
    if x.device.type == 'cpu' and own_gradients():
        return _Scale.apply(x, weight, plus)
    return scaled(x, weight, plus)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """The sum over positions of ``a * b``, (N, C, 1, 1); on a CPU without a product of the maps' size."""
    if a.device.type != 'cpu':
        return (a * b).sum((2, 3), keepdim=True)
    images = max(1, PRODUCT_BYTES // max(1, a[:1].numel() * a.element_size()))
    return torch.cat([(p * q).sum((2, 3), keepdim=True) for p, q in zip(a.split(images), b.split(images))])


def scaled(x: Tensor, weight: Tensor, plus: Tensor | None) -> Tensor:
    """What `scale` computes, with the gradients that PyTorch gives it."""
    return x * weight if plus is None else torch.addcmul(plus, x, weight)


class _Scale(torch.autograd.Function):
    """`scaled`, whose backward makes no product of the map's size but for the gradient of `x`."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, plus: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return scaled(x, weight, plus)

    @staticmethod
    def backward(ctx, dout: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        dx, dweight, dplus = ctx.needs_input_grad
        return dout * weight if dx else None, dot(dout, x) if dweight else None, dout if dplus else None
