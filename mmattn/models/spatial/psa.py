"""Pyramid squeeze attention (PSA).

Zhang et al., EPSANet: An Efficient Pyramid Squeeze Attention Block on Convolutional Neural Network,
arXiv:2105.14447; github.com/murufeng/EPSANet. The paper splits the input between the branches; the
authors' code, and this module, let each branch read all of it. There the shared squeeze is called
once for each branch; here once for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from mmattn.registry import MODELS

from .branch_gate import BranchGate
from .pyramid import pyramid_convs


@MODELS.register_module()
class PSA(nn.Module):
    """Convolutions of several kernel sizes, re-weighted by a softmax over them for each channel.

        F_i = conv_i(x)
        a = softmax over i of SE(GAP(F_i))
        output = [a_m F_m, ..., a_1 F_1]

    The branches are concatenated last first, as the authors' code does it: the norm and the
    convolution that follow have learnt this order. For the spatial slot.

    Args:
        in_channels: Number of channels of the input (N, in_channels, H, W).
        out_channels: Number of channels of the output (N, out_channels, H / stride, W / stride),
            shared equally between the branches.
        stride: Stride of every branch.
        dilation: Dilation of every branch.
        kernel_sizes: Odd kernel size of each branch.
        groups: Number of groups of each branch.
        reduction: The squeeze has a branch's channels over this as hidden channels.
        first_block: Not used.
        norm_cfg: Not used.

    Raises:
        ValueError: the channels do not divide into branches and groups, a kernel size is even, or
            the squeeze has no hidden channel.

    Examples:
        >>> PSA(64, 64, stride=2)(torch.rand(1, 64, 28, 28)).shape
        torch.Size([1, 64, 14, 14])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        dilation: int = 1,
        kernel_sizes: Sequence[int] = (3, 5, 7, 9),
        groups: Sequence[int] = (1, 4, 8, 16),
        reduction: int = 16,
        first_block: bool = False,
        norm_cfg: dict | None = None,
    ) -> None:
        super().__init__()
        branches = len(kernel_sizes)
        if branches < 1 or out_channels % branches:
            raise ValueError(
                f'{branches} kernel sizes cannot share {out_channels} output channels '
                'equally: change kernel_sizes or the width of the block'
            )
        channels = out_channels // branches
        self.convs = pyramid_convs(in_channels, [channels] * branches, kernel_sizes, groups, stride, dilation)
        self.se = BranchGate(channels, channels, reduction)

    @property
    def branch_names(self) -> list[str]:
        """Kernel size of each branch, in the order of the output."""
        return [f'{k} x {k}' for k in (cast(nn.Conv2d, conv).kernel_size[0] for conv in reversed(self.convs))]

    def forward(self, x: Tensor) -> Tensor:
        branches = torch.cat([conv(x) for conv in reversed(self.convs)], 1)  # (N, m * c, H', W')
        pooled = branches.mean((2, 3)).reshape(x.shape[0], len(self.convs), self.se.channels)  # (N, m, c)
        return branches * self.se(pooled).to(branches.dtype)  # autocast computes a softmax in float32
