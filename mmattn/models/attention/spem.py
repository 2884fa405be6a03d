"""Self-adaptive Pooling Enhanced attention Module (SPEM), Zhong et al., arXiv:2208.10322.

Authors' repository: Qrange-group/SPEM. The authors add ``0.1 * sum(p**2)`` over all modules to the
loss. Its gradient, ``0.2 * p``, is what a weight decay of 0.2 on the parameters ``p`` adds, so the
network needs not hand the sum out: give the optimiser ``paramwise_cfg=dict(custom_keys={'.attn.p':
dict(decay_mult=2001)})`` beside their weight decay of 1e-4 (0.2 + 1e-4).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmattn import ops
from mmattn.registry import MODELS

from .base import ChannelWeighting


@MODELS.register_module()
class SPEM(ChannelWeighting):
    """Channel attention from each channel's maximum M and minimum m, in a learned mix:

        M' = w2 * M + b2,  m' = w2 * m + b2
        mix = (p0**2 * M' + p1**2 * m') / (p0**2 + p1**2)
        y = x * sigmoid(M' + m') * sigmoid(w1 * mix + b1)

    At the start every gate is sigmoid(-2) * sigmoid(-1), about 0.032.

    Args:
        in_channels: Number of channels C of the input feature map.
        identity_init: Start as the identity, see `Attention`.

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
        return self.p.square() / self.p.square().sum()

    def channel_weights(self, x: Tensor) -> Tensor:
        top = self.w2 * ops.channel_max(x) + self.b2  # (N, C, 1, 1)
        bottom = self.w2 * ops.channel_min(x) + self.b2
        share = self.pooling_shares()
        mix = share[0] * top + share[1] * bottom
        return (top + bottom).sigmoid() * (self.w1 * mix + self.b1).sigmoid()
