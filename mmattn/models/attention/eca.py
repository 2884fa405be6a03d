"""Efficient Channel Attention (ECA), Wang et al., 'ECA-Net', arXiv:1910.03151.

Authors' repository: BangguWu/ECANet.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from mmattn.registry import MODELS

from .base import ChannelWeighting, check_odd


def eca_kernel_size(channels: int, gamma: float = 2, b: float = 1) -> int:
    """The paper's rule: ``(log2(channels) + b) / gamma``, cut to an integer, plus one if even."""
    size = int(abs((math.log2(channels) + b) / gamma))
    return size if size % 2 else size + 1


@MODELS.register_module()
class ECA(ChannelWeighting):
    """Channel attention by one short convolution along the channels of the pooled descriptor.

    Args:
        in_channels: Number of channels C of the input feature map.
        kernel_size: Odd length of the convolution; by default the paper's rule, see
            `eca_kernel_size`.
        identity_init: Start as the identity, see `Attention`.

    Raises:
        ValueError: if `in_channels` is not a positive integer or `kernel_size` not a positive odd
            one.
    """

    def __init__(self, in_channels: int, kernel_size: int | None = None, identity_init: bool = False):
        super().__init__(in_channels, identity_init)
        if kernel_size is None:
            kernel_size = eca_kernel_size(in_channels)
        check_odd('kernel_size', kernel_size)
        self.conv = nn.Conv1d(1, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def channel_weights(self, x: Tensor) -> Tensor:
        weight = self.conv(x.mean((2, 3))[:, None]).sigmoid()  # (N, 1, C)
        return weight[:, 0, :, None, None]
