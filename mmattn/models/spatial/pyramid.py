"""A pyramid of convolutions: the same input read with several kernel sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

from mmattn import ops


class PyramidConv(nn.Conv2d):
    """``nn.Conv2d`` with zero padding, (N, C_in, H, W) -> (N, C_out, H', W'), fast where its groups are narrow."""

    if TYPE_CHECKING:  # torch has these types for convolutions of any number of dimensions
        stride: tuple[int, int]
        padding: tuple[int, int]
        dilation: tuple[int, int]

    def forward(self, x: Tensor) -> Tensor:
        return ops.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


def pyramid_convs(
    in_channels: int,
    out_channels: Sequence[int],
    kernel_sizes: Sequence[int],
    groups: Sequence[int],
    stride: int,
    dilation: int,
) -> nn.ModuleList:
    """Bias-free convolutions, one for each kernel size, whose outputs all have the same size.

    Args:
        in_channels: Number of channels of the feature map that each convolution reads whole.
        out_channels: Number of output channels of each convolution.
        kernel_sizes: Odd kernel size of each convolution.
        groups: Number of groups of each convolution.
        stride: Stride of all convolutions.
        dilation: Dilation of all convolutions.

    Raises:
        ValueError: the sequences differ in length, a kernel size is even, or groups do not divide
            the channels.
    """
    if not len(out_channels) == len(kernel_sizes) == len(groups) > 0:
        raise ValueError(
            f'kernel_sizes {tuple(kernel_sizes)}, groups {tuple(groups)} and the output channels '
            f'{tuple(out_channels)} must have one entry for each convolution'
        )
    convs = nn.ModuleList()
    for channels, size, g in zip(out_channels, kernel_sizes, groups, strict=True):
        if size % 2 == 0:
            raise ValueError(f'kernel size {size} is even: only odd ones keep the feature maps aligned')
        if g < 1 or in_channels % g or channels < 1 or channels % g:
            raise ValueError(
                f'{g} groups do not divide the {size}x{size} convolution of {in_channels} to '
                f'{channels} channels: choose other groups or a wider block'
            )
        convs.append(PyramidConv(in_channels, channels, size, stride, dilation * (size // 2), dilation, g, bias=False))
    return convs
