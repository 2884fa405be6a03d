"""Pyramidal convolution (PyConv).

Duta et al., Pyramidal Convolution: Rethinking Convolutional Neural Networks for Visual Recognition,
arXiv:2006.11538; github.com/iduta/pyconv.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from mmattn.registry import MODELS

from .pyramid import pyramid_convs


@MODELS.register_module()
class PyConv(nn.Module):
    """Concatenates convolutions of several kernel sizes, each of the whole input.

    For the spatial slot. PyConvResNet uses fewer kernels from stage to stage, see
    ``mmattn.models.backbones.presets.PYCONV_STAGES``.

    Args:
        in_channels: Number of channels of the input (N, in_channels, H, W).
        out_channels: Number of channels of the output (N, out_channels, H / stride, W / stride).
        stride: Stride of every branch.
        dilation: Dilation of every branch.
        kernel_sizes: Odd kernel size of each branch.
        groups: Number of groups of each branch.
        splits: Shares of the branches in the output, (1, 1, 2) for a quarter, a quarter and a half;
            None: equal shares.
        first_block: Not used.
        norm_cfg: Not used.

    Raises:
        ValueError: the channels do not divide into shares and groups, or a kernel size is even.

    Examples:
        >>> PyConv(64, 64, stride=2)(torch.rand(1, 64, 28, 28)).shape
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
        splits: Sequence[int] | None = None,
        first_block: bool = False,
        norm_cfg: dict | None = None,
    ) -> None:
        super().__init__()
        splits = (1,) * len(kernel_sizes) if splits is None else splits
        if sum(splits) < 1 or out_channels % sum(splits):
            raise ValueError(
                f'splits {tuple(splits)} do not share {out_channels} output channels: '
                'their sum must divide the channels'
            )
        share = out_channels // sum(splits)
        self.convs = pyramid_convs(in_channels, [share * s for s in splits], kernel_sizes, groups, stride, dilation)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([conv(x) for conv in self.convs], 1)

    def output_convs(self) -> list[nn.Conv2d]:
        """The convolutions whose outputs, side by side, are the output, see `mmattn.inference.fold`."""
        return cast(list[nn.Conv2d], list(self.convs))
