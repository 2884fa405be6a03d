"""Grouped convolution with few output channels in a group."""
from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..compiling import own_gradients
from ..layout import format_of

# Channels of a group that PyTorch's CPU convolutions compute at once, whether the group has them or not.
LANES = 16
# Of a kernel: smaller ones are faster as they are.
MIN_POSITIONS = 25


class NarrowGroupConv(nn.Conv2d):
    """An ``nn.Conv2d`` that is fast on a CPU where its groups have few output channels.

    PyTorch's CPU convolutions compute 16 channels of a group at once, and throw away what the group does not need. Here
    neighbouring positions of the output stand in for the channels that it lacks. Where a group has a single output,
    depthwise convolutions, which have kernels of their own there, are faster still. Gradients are those of the grouped
    convolution.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.register_buffer('prepared', None, persistent=False)  # the kernel of a block

    def prepare(self) -> None:
        """Computes once what depends on the weights alone, for inference: they must not change any more."""
        if self._fast_way() == self._in_blocks:
            self.prepared = self._kernel_of_block(self.weight.detach())

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        compute = self._fast_way()
        if compute is None or not self._is_for_cpu(x, weight):
            return super()._conv_forward(x, weight, bias)
        if not torch.is_grad_enabled():
            return compute(x, weight, bias)
        if own_gradients():
            return _WithGradientOfConv.apply(compute, self, x, weight, bias)
        return super()._conv_forward(x, weight, bias)

    @staticmethod
    def _is_for_cpu(x: Tensor, weight: Tensor) -> bool:
        # A trace would hold for maps of this size only.
        return (x.device.type == 'cpu' and x.dtype == weight.dtype == torch.float32 and x.dim() == 4
                and not torch.jit.is_tracing())

    def _fast_way(self) -> Callable[[Tensor, Tensor, Tensor | None], Tensor] | None:
        """The method that computes this convolution faster, if there is one."""
        if self.groups == 1 or math.prod(self.kernel_size) < MIN_POSITIONS:
            return None
        if isinstance(self.padding, str) or self.padding_mode != 'zeros':
            return None
        if self.out_channels == self.groups:
            return self._sum_of_depthwise
        in_blocks = self.dilation == (1, 1) and math.prod(self._block()) > 1
        return self._in_blocks if in_blocks else None

    def _sum_of_depthwise(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """For one output in a group: convolves each input by itself, then sums those of a group."""
        c_in = self.in_channels
        products = F.conv2d(x, weight.reshape(c_in, 1, *self.kernel_size), None, self.stride, self.padding,
                            self.dilation, groups=c_in)
        eye = torch.eye(self.groups, dtype=x.dtype, device=x.device)
        group_of_input = eye.repeat_interleave(c_in // self.groups, 1)  # (G, c_in)
        return F.conv2d(products, group_of_input[..., None, None], bias)

    def _block(self) -> tuple[int, int]:
        """Rows and columns of the output whose channels fill the lanes."""
        rows, columns, outputs = 1, 1, self.out_channels // self.groups
        while 2 * rows * columns * outputs <= LANES:
            rows, columns = (2 * rows, columns) if rows == columns else (rows, 2 * columns)
        return rows, columns

    def _in_blocks(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Computes a block of the output as one position with more channels."""
        (rows, columns), groups, outputs = self._block(), self.groups, self.out_channels // self.groups
        (k_h, k_w), (s_h, s_w), (p_h, p_w) = self.kernel_size, self.stride, self.padding
        if bias is not None:  # of one dimension throughout, as torch.compile cannot flatten a bias
            bias = torch.cat([b for b in bias.split(outputs) for _ in range(rows * columns)])
        h_in, w_in = x.shape[2:]
        h_out, w_out = (h_in + 2 * p_h - k_h) // s_h + 1, (w_in + 2 * p_w - k_w) // s_w + 1
        n_h, n_w = math.ceil(h_out / rows), math.ceil(w_out / columns)
        # What the last row and column of blocks read beyond the map and its padding.
        bottom = max(0, (n_h * rows - 1) * s_h + k_h - 2 * p_h - h_in)
        right = max(0, (n_w * columns - 1) * s_w + k_w - 2 * p_w - w_in)
        padded = F.pad(x, (0, right, 0, bottom)) if bottom or right else x
        kernel = self._kernel_of_block(weight) if self.prepared is None else self.prepared
        blocks = F.conv2d(padded, kernel, bias, (rows * s_h, columns * s_w), self.padding, groups=groups)

        blocks = blocks.unflatten(1, (groups, rows, columns, outputs)).permute(0, 5, 2, 6, 3, 1, 4)
        out = blocks.reshape(x.shape[0], n_h * rows, n_w * columns, self.out_channels).movedim(3, 1)
        return out[:, :, :h_out, :w_out].contiguous(memory_format=format_of(x))

    def _kernel_of_block(self, weight: Tensor) -> Tensor:
        """The kernel that reads all that the kernels of the block's positions read.

        From (c_out, c_in / groups, k_h, k_w) to (rows * columns * c_out, c_in / groups, k_h + (rows - 1) * stride_h,
        k_w + (columns - 1) * stride_w). Its weights for each position are those of the convolution, shifted to where
        the position stands in the block, with zeros around.
        """
        (rows, columns), (s_h, s_w) = self._block(), self.stride
        bottom, right = (rows - 1) * s_h, (columns - 1) * s_w
        weight = weight.unflatten(0, (self.groups, -1))
        shifted = [F.pad(weight, (left, right - left, top, bottom - top))
                   for top in range(0, bottom + 1, s_h) for left in range(0, right + 1, s_w)]
        return torch.stack(shifted, 1).flatten(0, 2)


class _WithGradientOfConv(torch.autograd.Function):
    """``function(x, weight, bias)``, which computes what `conv` does, with the gradients of `conv`."""

    @staticmethod
    def forward(ctx, function: Callable[..., Tensor], conv: nn.Conv2d, x: Tensor, weight: Tensor,
                bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.conv, ctx.bias_shape = conv, None if bias is None else bias.shape
        return function(x, weight, bias)

    @staticmethod
    def backward(ctx, dout: Tensor) -> tuple[Tensor | None, ...]:
        conv, (x, weight) = ctx.conv, ctx.saved_tensors
        return None, None, *torch.ops.aten.convolution_backward(
            dout.to(x.dtype), x, weight, ctx.bias_shape, conv.stride, conv.padding, conv.dilation, False, (0, 0),
            conv.groups, ctx.needs_input_grad[2:])
