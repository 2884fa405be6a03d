"""Grouped convolution with few output channels in a group."""
from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..compiling import own_gradients

# Of the kernel's positions, for each output channel of a group: from here on depthwise convolutions are faster.
POSITIONS_PER_OUTPUT = 12


class NarrowGroupConv(nn.Conv2d):
    """An ``nn.Conv2d`` that is fast on a CPU where its groups have few output channels.

    PyTorch's CPU convolutions compute 8 or 16 channels of a group at once, and throw away what a group of one or two
    does not need. Depthwise convolutions have kernels of their own there, and a grouped convolution is a sum of them:
    output j of group g is, over the group's inputs i, the sum of x_i convolved with the j-th of the weights of i.
    Gradients are those of the grouped convolution, as those of depthwise ones are slow.
    """

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if not (self._is_narrow() and x.device.type == 'cpu' and x.dtype == weight.dtype == torch.float32):
            return super()._conv_forward(x, weight, bias)
        if not torch.is_grad_enabled():
            return self._sum_of_depthwise(x, weight, bias)
        if own_gradients():
            return _WithGradientOfConv.apply(self._sum_of_depthwise, self, x, weight, bias)
        return super()._conv_forward(x, weight, bias)

    def _is_narrow(self) -> bool:
        outputs = self.out_channels // self.groups
        return self.groups > 1 and math.prod(self.kernel_size) >= POSITIONS_PER_OUTPUT * outputs

    def _sum_of_depthwise(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        c_in, groups, outputs = self.in_channels, self.groups, self.out_channels // self.groups
        # For each j: the weights of all groups' output j, and which products each output sums.
        weights = weight.unflatten(0, (groups, outputs)).transpose(0, 1)  # (outputs, G, c_in / G, k, k)
        weights = weights.reshape(outputs, c_in, 1, *self.kernel_size)
        sums = torch.eye(groups * outputs, dtype=x.dtype).unflatten(1, (groups, outputs)).movedim(2, 0)
        sums = sums.unsqueeze(3).expand(-1, -1, -1, c_in // groups).reshape(outputs, -1, c_in, 1, 1)
        out = None
        for weights_j, sums_j in zip(weights, sums):
            products = F.conv2d(x, weights_j, None, self.stride, self.padding, self.dilation, groups=c_in)
            out_j = F.conv2d(products, sums_j, bias if out is None else None)
            out = out_j if out is None else out.add_(out_j)
        return out


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
        conv = ctx.conv
        return None, None, *torch.ops.aten.convolution_backward(
            dout, *ctx.saved_tensors, ctx.bias_shape, conv.stride, conv.padding, conv.dilation, False, (0, 0),
            conv.groups, ctx.needs_input_grad[2:])
