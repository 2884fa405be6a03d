"""Self-adaptive Pooling Enhanced attention Module (SPEM), Zhong et al., MMM 2023.

Authors' repository: Qrange-group/SPEM. The authors add ``0.1 * sum(p**2)`` over all modules to the
loss. Its gradient, ``0.2 * p``, is what a weight decay of 0.2 on the parameters ``p`` adds, so the
network needs not hand the sum out: give the optimiser ``paramwise_cfg=dict(custom_keys={'.attn.p':
dict(decay_mult=2001)})`` beside their weight decay of 1e-4 (0.2 + 1e-4).
"""
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mmattn.registry import MODELS

from ..compiling import own_gradients
from ..scale import dot, scaled
from .base import ChannelWeighting


def extrema(x: Tensor) -> tuple[Tensor, Tensor]:
    """Maximum and minimum of each channel, (N, C, H, W) -> two of (N, C, 1, 1)."""
    if torch.is_grad_enabled() and x.requires_grad and not torch.jit.is_tracing():  # as in `largest`
        return tuple(t.unsqueeze(3) for t, _ in extrema_and_positions(x))
    return x.amax((2, 3), keepdim=True), x.amin((2, 3), keepdim=True)


def extrema_and_positions(x: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Maxima and minima of each channel, each (N, C, 1) with a position in (N, C, H * W) that attains it."""
    flat = x.flatten(2)
    # Not argmax and argmin, which are slower than this on a CPU.
    return flat.max(2, keepdim=True), flat.min(2, keepdim=True)


class ScaleByExtrema(torch.autograd.Function):
    """``x * gate(*extrema(x), *parameters)`` (+ `plus`), with one map for all of the gradient of `x`.

    The gradient of an extremum goes to one position that attains it, as in max pooling.
    """

    @staticmethod
    def forward(ctx, x: Tensor, plus: Tensor | None, gate: Callable[..., Tensor], *parameters: Tensor) -> Tensor:
        (top, highest), (bottom, lowest) = extrema_and_positions(x)
        inputs = top.unsqueeze(3), bottom.unsqueeze(3), *parameters
        ctx.gate = gate
        ctx.save_for_backward(x, highest, lowest, *inputs)
        return scaled(x, gate(*inputs).to(x.dtype), plus)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, highest, lowest, *inputs = ctx.saved_tensors
        with torch.enable_grad():
            inputs = [t.detach().requires_grad_() for t in inputs]
            gate = ctx.gate(*inputs)
        dtop, dbottom, *dparameters = torch.autograd.grad(gate, inputs, dot(dy, x).to(gate.dtype))
        dx = (dy * gate.detach().to(x.dtype)).flatten(2)
        # No scatter_add_, which is not deterministic on every device.
        for position, gradient in ((highest, dtop), (lowest, dbottom)):
            dx.scatter_(2, position, dx.gather(2, position) + gradient.flatten(2))
        return dx.view_as(x), dy if ctx.needs_input_grad[1] else None, None, *dparameters


def shares(p: Tensor) -> Tensor:
    """p**2 over its sum."""
    return p.square() / p.square().sum()


@MODELS.register_module()
class SPEM(ChannelWeighting):
    """Channel attention from each channel's maximum M and minimum m, in a learned mix::

        M' = w2 * M + b2,  m' = w2 * m + b2
        mix = (p0**2 * M' + p1**2 * m') / (p0**2 + p1**2)
        y = x * sigmoid(M' + m') * sigmoid(w1 * mix + b1)

    At the start every gate is sigmoid(-2) * sigmoid(-1), about 0.032.

    Args:
        in_channels: channels C of the map.
        identity_init: start as the identity, see :class:`Attention`.

    Raises:
        ValueError: if `in_channels` is not a positive integer.
    """

    def __init__(self, in_channels: int, identity_init: bool = False):
        super().__init__(in_channels, identity_init)
        self.w1 = nn.Parameter(torch.empty(1, in_channels, 1, 1))
        self.b1 = nn.Parameter(torch.empty(1, in_channels, 1, 1))
        self.w2 = nn.Parameter(torch.empty(1, in_channels, 1, 1))
        self.b2 = nn.Parameter(torch.empty(1, in_channels, 1, 1))
        self.p = nn.Parameter(torch.empty(2))
        self.init_weights()

    def init_weights(self) -> None:
        """Back to the authors' start."""
        for weight in (self.w1, self.w2):
            nn.init.zeros_(weight)
        for bias in (self.b1, self.b2):
            nn.init.constant_(bias, -1)
        nn.init.constant_(self.p, 0.5)

    def pooling_shares(self) -> Tensor:
        """The shares of maximum and minimum in the mix, (2,), which sum to 1."""
        return shares(self.p)

    @staticmethod
    def gate_of(top: Tensor, bottom: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, p: Tensor) -> Tensor:
        """The weights from both extrema of each channel, (N, C, 1, 1), by the equations above."""
        top, bottom = w2 * top + b2, w2 * bottom + b2
        share = shares(p)
        mix = share[0] * top + share[1] * bottom
        return (top + bottom).sigmoid() * (w1 * mix + b1).sigmoid()

    def channel_weights(self, x: Tensor) -> Tensor:
        return self.gate_of(*extrema(x), self.w1, self.b1, self.w2, self.b2, self.p)

    def weigh(self, x: Tensor, plus: Tensor | None = None) -> Tensor:
        if not own_gradients():
            return super().weigh(x, plus)
        return ScaleByExtrema.apply(x, plus, self.gate_of, self.w1, self.b1, self.w2, self.b2, self.p)
