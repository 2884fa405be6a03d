"""Convolutional Block Attention Module (CBAM), Woo et al., arXiv:1807.06521.

Authors' repository: Jongchan/attention-module. This is the form of luuuyi/CBAM.PyTorch, whose
networks reproduce the CBAM rows of SDA-xNet's tables: no bias in the shared layers and no norm
after the spatial convolution.
"""

import torch
from torch import Tensor, nn

from mmattn import ops
from mmattn.registry import MODELS

from .base import Attention, check_odd, reduced


class ChannelAttention(nn.Module):
    """``sigmoid(mlp(mean(x)) + mlp(max(x)))`` for each channel: (N, C, H, W) -> (N, C, 1, 1).

    ``mlp`` is two 1x1 convolutions without bias with a ReLU between them. The last layer is linear
    and has no bias: it is applied once, to the sum of both hidden layers.

    Args:
        in_channels: Number of channels C of the input feature map.
        reduction: The hidden layer has ``C // reduction`` channels, at least one.
    """

    def __init__(self, in_channels: int, reduction: int = 16):
        super().__init__()
        hidden = reduced(in_channels, reduction)
        self.fc1 = nn.Conv2d(in_channels, hidden, 1, bias=False)
        self.fc2 = nn.Conv2d(hidden, in_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        pooled = torch.cat((x.mean((2, 3), keepdim=True), ops.channel_max(x)), 2)  # (N, C, 2, 1)
        hidden = torch.relu(self.fc1(pooled)).sum(2, keepdim=True)  # (N, hidden, 1, 1)
        return self.fc2(hidden).sigmoid()  # (N, C, 1, 1)


class SpatialAttention(nn.Module):
    """``sigmoid(conv([mean, max]))`` over channels: (N, C, H, W) -> (N, 1, H, W); the convolution has no bias.

    Args:
        kernel_size: Odd kernel size of the convolution.
    """

    def __init__(self, kernel_size: int = 7):
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        pooled = torch.stack((x.mean(1), x.amax(1)), 1)  # (N, 2, H, W)
        return self.conv(pooled).sigmoid()  # (N, 1, H, W)


@MODELS.register_module()
class CBAM(Attention):
    """Channel attention, then spatial attention, each from both the mean and the maximum.

    Args:
        in_channels: Number of channels C of the input feature map.
        reduction: The channel attention's hidden layer has ``C // reduction`` channels, at least
            one.
        spatial_kernel: Odd kernel size of the spatial attention.
        identity_init: Start as the identity, see `Attention`.

    Raises:
        ValueError: if a number is not a positive integer, or `spatial_kernel` is even.
    """

    def __init__(self, in_channels: int, reduction: int = 16, spatial_kernel: int = 7, identity_init: bool = False):
        super().__init__(in_channels, identity_init)
        self.channel = ChannelAttention(in_channels, reduction)
        self.spatial = SpatialAttention(check_odd('spatial_kernel', spatial_kernel))

    @torch.no_grad()
    def attention_map(self, x: Tensor) -> Tensor:
        """The weights of the spatial attention alone, (N, 1, H, W)."""
        return self.spatial(x * self.channel(x).to(x.dtype))

    def attend(self, x: Tensor) -> Tensor:
        x = x * self.channel(x).to(x.dtype)
        return x * self.spatial(x).to(x.dtype)
