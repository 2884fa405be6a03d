"""Bottleneck Attention Module (BAM), Park et al., arXiv:1807.06514.

Authors' repository: Jongchan/attention-module. Made to follow a stage, before the next one reduces
the resolution, rather than to be in every block. The paper adds the channel and the spatial branch;
the authors' code multiplies them. The code's way is the default, `combine` selects the other.
"""

import torch
from torch import Tensor, nn

from mmattn.registry import MODELS

from .base import Attention, check_positive, reduced


@MODELS.register_module()
class BAM(Attention):
    """``x * (1 + sigmoid(channel(x) combined with spatial(x)))``.

    In training its BatchNorm over pooled channels needs a batch of two or more.

    Args:
        in_channels: Number of channels C of the input feature map.
        reduction: Both branches work on ``C // reduction`` channels, at least one.
        dilation: Dilation of the spatial branch's two 3x3 convolutions.
        combine: How the two branches are combined: 'product' (authors' code) or 'sum' (paper).
        identity_init: Start as the identity, see `Attention`.

    Raises:
        ValueError: if a number is not a positive integer, or `combine` is neither of the two.
    """

    def __init__(
        self,
        in_channels: int,
        reduction: int = 16,
        dilation: int = 4,
        combine: str = 'product',
        identity_init: bool = False,
    ):
        super().__init__(in_channels, identity_init)
        if combine not in ('product', 'sum'):
            raise ValueError(f"combine must be 'product' or 'sum', not {combine!r}")
        self.combine = torch.mul if combine == 'product' else torch.add
        check_positive('dilation', dilation)
        hidden = reduced(in_channels, reduction)
        self.channel = nn.Sequential(
            nn.Linear(in_channels, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, in_channels),
        )
        layers = [nn.Conv2d(in_channels, hidden, 1), nn.BatchNorm2d(hidden), nn.ReLU(inplace=True)]
        for _ in range(2):
            layers += [
                nn.Conv2d(hidden, hidden, 3, padding=dilation, dilation=dilation),
                nn.BatchNorm2d(hidden),
                nn.ReLU(inplace=True),
            ]
        self.spatial = nn.Sequential(*layers, nn.Conv2d(hidden, 1, 1))

    def attend(self, x: Tensor) -> Tensor:
        channel = self.channel(x.mean((2, 3)))[:, :, None, None]  # (N, C, 1, 1)
        weight = self.combine(channel, self.spatial(x)).sigmoid()
        return torch.addcmul(x, x, weight.to(x.dtype))
