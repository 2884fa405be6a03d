"""Grouped convolution with few output channels in a group.

PyTorch's CPU convolutions compute 16 channels of a group at once, and throw away what the group does not need. In the
faster way, neighbouring positions of the output replace the channels that a group lacks: a block of positions is
computed as one position with more channels, by one convolution with a shifted, larger kernel and a larger stride.
Where a group has a single output channel, depthwise convolutions, which have kernels of their own, are faster still.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .function import faster_function
from .switch import takes_faster

# Channels of a group that PyTorch's CPU convolutions compute at once, whether the group has them or not.
LANES = 16
# Positions of the smallest kernel that gains from it.
MIN_POSITIONS = 25


class Geometry(NamedTuple):
    """The numbers of a 2-D convolution, each pair for height and width."""

    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
    faster: bool | None = None,
) -> Tensor:
    """``F.conv2d`` with zero padding, faster on a CPU where the groups have few output channels.

    Args:
        x: Feature map (N, C_in, H, W).
        weight: Kernel (C_out, C_in / groups, k_h, k_w).
        bias: Bias (C_out,), or None.
        stride: Stride for height and width.
        padding: Number of rows and of columns of zeros on each side.
        dilation: Dilation for height and width.
        groups: Number of groups.
        faster: Overrides the switch of the faster way 'grouped_conv', None: does not.

    Returns:
        (N, C_out, H', W').
    """
    geometry = Geometry(stride, padding, dilation, groups)
    if takes_faster('grouped_conv', x, weight, faster=faster) and x.dim() == 4 and x.dtype == torch.float32:
        way = _faster_way(weight.shape, geometry)
        if way is not None:
            out = _WITH_GRADIENTS[way]((geometry, x.stride(1) == 1 < x.stride(3)), x, weight)
            return out if bias is None else out + bias[:, None, None]
    return F.conv2d(x, weight, bias, *geometry)


def _faster_way(kernel: torch.Size, geometry: Geometry) -> Callable[..., Tensor] | None:
    """The function that computes this convolution faster, if there is one."""
    out_channels, _, *size = kernel
    if geometry.groups == 1 or math.prod(size) < MIN_POSITIONS:
        return None
    if out_channels == geometry.groups:
        return _sum_of_depthwise
    in_blocks = geometry.dilation == (1, 1) and math.prod(_block(out_channels // geometry.groups)) > 1
    return _in_blocks if in_blocks else None


def _sum_of_depthwise(options: tuple[Geometry, bool], x: Tensor, weight: Tensor) -> Tensor:
    """For one output channel in a group: convolves each input by itself, then sums those of a group."""
    (stride, padding, dilation, groups), _ = options
    c_in = x.shape[1]
    products = F.conv2d(x, weight.reshape(c_in, 1, *weight.shape[2:]), None, stride, padding, dilation, c_in)
    group_of_input = torch.eye(groups, dtype=x.dtype).repeat_interleave(c_in // groups, 1)  # (groups, c_in)
    return F.conv2d(products, group_of_input[..., None, None])


def _block(outputs: int) -> tuple[int, int]:
    """Rows and columns of the output whose channels, `outputs` of a group each, fill the lanes."""
    rows = columns = 1
    while 2 * rows * columns * outputs <= LANES:
        rows, columns = (2 * rows, columns) if rows == columns else (rows, 2 * columns)
    return rows, columns


def _in_blocks(options: tuple[Geometry, bool], x: Tensor, weight: Tensor) -> Tensor:
    """Computes a block of the output as one position with more channels."""
    ((s_h, s_w), (p_h, p_w), _, groups), channels_last = options
    outputs, (k_h, k_w), (h_in, w_in) = weight.shape[0] // groups, weight.shape[2:], x.shape[2:]
    rows, columns = _block(outputs)
    h_out, w_out = (h_in + 2 * p_h - k_h) // s_h + 1, (w_in + 2 * p_w - k_w) // s_w + 1
    n_h, n_w = math.ceil(h_out / rows), math.ceil(w_out / columns)
    # rows and columns that the last blocks read beyond the feature map and its padding
    bottom = max(0, (n_h * rows - 1) * s_h + k_h - 2 * p_h - h_in)
    right = max(0, (n_w * columns - 1) * s_w + k_w - 2 * p_w - w_in)
    padded = F.pad(x, (0, right, 0, bottom)) if bottom or right else x
    kernel = _kernel_of_block(weight, groups, (s_h, s_w))
    blocks = F.conv2d(padded, kernel, None, (rows * s_h, columns * s_w), (p_h, p_w), groups=groups)

    blocks = blocks.unflatten(1, (groups, rows, columns, outputs)).permute(0, 5, 2, 6, 3, 1, 4)
    out = blocks.reshape(x.shape[0], n_h * rows, n_w * columns, weight.shape[0]).movedim(3, 1)
    out = out[:, :, :h_out, :w_out]
    return out.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


def _kernel_of_block(weight: Tensor, groups: int, stride: tuple[int, int]) -> Tensor:
    """The kernel that reads all that the kernels of a block's positions read.

    From (c_out, c_in / groups, k_h, k_w) to (rows * columns * c_out, c_in / groups, k_h + (rows - 1) * stride_h,
    k_w + (columns - 1) * stride_w). Its weights for each position are those of the convolution, shifted to the place
    of the position in the block, with zeros around.
    """
    weight = weight.unflatten(0, (groups, -1))
    (rows, columns), (s_h, s_w) = _block(weight.shape[1]), stride
    bottom, right = (rows - 1) * s_h, (columns - 1) * s_w
    shifted = [
        F.pad(weight, (left, right - left, top, bottom - top))
        for top in range(0, bottom + 1, s_h)
        for left in range(0, right + 1, s_w)
    ]
    return torch.stack(shifted, 1).flatten(0, 2)  # (groups, rows * columns, outputs, …) -> (c_out of a block, …)


def _plain(options: tuple[Geometry, bool], x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight, None, *options[0])


def _gradients(
    options: tuple[Geometry, bool], inputs: list[Tensor], _output: Tensor, gradient: Tensor, needed: tuple[bool, ...]
) -> tuple[Tensor | None, ...]:
    """Gradients of the grouped convolution itself."""
    (stride, padding, dilation, groups), (x, weight) = options[0], inputs
    dx, dweight, _ = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, stride, padding, dilation, False, (0, 0), groups, (*needed, False)
    )
    return dx, dweight


_WITH_GRADIENTS = {way: faster_function(_plain, way, _gradients) for way in (_sum_of_depthwise, _in_blocks)}
