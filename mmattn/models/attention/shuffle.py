"""Shuffle Attention (SA), Zhang and Yang, 'SA-Net', arXiv:2102.00240.

Authors' repository: wofmanaf/SA-Net. Differs in form only: both halves of all groups are split by one reshape.
"""

import torch
from torch import Tensor, nn

from mmattn.registry import MODELS

from .base import Attention, check_positive


@MODELS.register_module(name='SA')
class ShuffleAttention(Attention):
    """Channel attention on half of each group, spatial on the other; then they interleave.

    With c = C / (2 groups), and weights shared by all groups:

        channel half:  a * sigmoid(cweight * mean(a) + cbias)
        spatial half:  b * sigmoid(sweight * instance_norm(b) + sbias)

    Args:
        in_channels: Number of channels C of the input feature map, divisible by ``2 * groups``.
        groups: Number of groups of channels.
        eps: Number that is added to the variance in the normalisation.
        identity_init: Start as the identity, see `Attention`.

    Raises:
        ValueError: if the channels cannot be divided so.
    """

    def __init__(self, in_channels: int, groups: int = 64, eps: float = 1e-5, identity_init: bool = False):
        super().__init__(in_channels, identity_init)
        if in_channels % (2 * check_positive('groups', groups)):
            raise ValueError(f'SA needs channels divisible by 2 * groups: {in_channels} is not by {2 * groups}')
        half = in_channels // (2 * groups)
        self.groups = groups
        self.cweight = nn.Parameter(torch.zeros(1, half, 1, 1))
        self.cbias = nn.Parameter(torch.ones(1, half, 1, 1))
        self.sweight = nn.Parameter(torch.zeros(1, half, 1, 1))
        self.sbias = nn.Parameter(torch.ones(1, half, 1, 1))
        self.norm = nn.GroupNorm(half, half, eps)

    def init_weights(self) -> None:
        """Back to the authors' start: both gates are sigmoid(1), whatever the input."""
        for weight in (self.cweight, self.sweight, self.norm.bias):
            nn.init.zeros_(weight)
        for bias in (self.cbias, self.sbias, self.norm.weight):
            nn.init.ones_(bias)

    def attend(self, x: Tensor) -> Tensor:
        n, channels, height, width = x.shape
        halves = x.reshape(n * self.groups, 2, self.norm.num_channels, height, width)
        a, b = halves[:, 0], halves[:, 1]  # (N * groups, c, H, W) each
        a = a * (self.cweight * a.mean((2, 3), keepdim=True) + self.cbias).sigmoid().to(x.dtype)
        b = b * (self.sweight * self.norm(b) + self.sbias).sigmoid().to(x.dtype)
        # a channel shuffle with two groups; F.channel_shuffle has no derivative in older releases of torch
        joined = torch.stack((a, b), 1).reshape(n, 2, channels // 2, height, width)
        return joined.transpose(1, 2).reshape(n, channels, height, width)
