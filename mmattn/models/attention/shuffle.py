"""Shuffle Attention (SA), Zhang and Yang, 'SA-Net', arXiv:2102.00240.

Authors' repository: wofmanaf/SA-Net. Differs in form only: no group is folded into the batch, and
the normalisation and its two affine maps are one.
"""
import torch
from torch import Tensor, nn

from mmattn.registry import MODELS

from .base import Attention, check_positive


@MODELS.register_module(name='SA')
class ShuffleAttention(Attention):
    """Channel attention on half of each group, spatial on the other; then they interleave.

    With c = C / (2 groups), and weights shared by all groups::

        channel half:  a * sigmoid(cweight * mean(a) + cbias)
        spatial half:  b * sigmoid(sweight * instance_norm(b) + sbias)

    Args:
        in_channels: channels C of the map, divisible by ``2 * groups``.
        groups: number of groups of channels.
        eps: added to the variance in the normalisation.
        identity_init: start as the identity, see :class:`Attention`.

    Raises:
        ValueError: if the channels cannot be divided so.
    """

    def __init__(self, in_channels: int, groups: int = 64, eps: float = 1e-5,
                 identity_init: bool = False):
        super().__init__(in_channels, identity_init)
        if in_channels % (2 * check_positive('groups', groups)):
            raise ValueError(
                f'SA needs channels divisible by 2 * groups: {in_channels} is not by {2 * groups}')
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
        a, b = x.unflatten(1, (self.groups, 2, -1)).unbind(2)  # (N, groups, c, H, W) each
        channel = (self.cweight * a.mean((3, 4), keepdim=True) + self.cbias).sigmoid()
        centred = b - b.mean((3, 4), keepdim=True)
        var = centred.square().mean((3, 4), keepdim=True)
        scale = self.sweight * self.norm.weight[:, None, None] * torch.rsqrt(var + self.norm.eps)
        shift = self.sweight * self.norm.bias[:, None, None] + self.sbias
        spatial = torch.addcmul(shift.to(x.dtype), centred, scale.to(x.dtype)).sigmoid()
        halves = torch.stack((a * channel.to(x.dtype), b * spatial), 2)
        # F.channel_shuffle has no derivative in older releases of torch
        return halves.flatten(1, 3).unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)
