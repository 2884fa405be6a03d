"""Deformable convolution (arXiv:1703.06211) and its modulated form (arXiv:1811.11168), by
torchvision.

mmcv and torchvision agree on the order of the channels: per deformable group and kernel position
y, then x. The signatures are those by which `mmcv/ops/deform_conv.py` and
`mmcv/ops/modulated_deform_conv.py` call the compiled operators. Their buffers for columns and ones
and `im2col_step` serve the compiled kernels only.
"""

import torch
import torchvision  # noqa: F401  (registers torch.ops.torchvision)
from torch import Tensor

from mmattn.mmcv_ext.precision import widen


def _no_mask(offset: Tensor) -> Tensor:
    return offset.new_zeros(len(offset), 1)


def _no_bias(weight: Tensor) -> Tensor:
    return weight.new_zeros(len(weight))


@torch.no_grad()
def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Deformable convolution without bias.

    Args:
        input: (N, C, H, W).
        weight: (C', C / group, kH, kW).
        offset: (N, 2 * deformable_group * kH * kW, H', W'), in pixels of `input`.
        output: (N, C', H', W'), written in place.
        columns, ones, im2col_step: Unused.
        kW, kH, dW, dH, padW, padH, dilationW, dilationH: Kernel size, stride, padding and
            dilation per axis.
        group: Groups of the convolution.
        deformable_group: Groups of channels with offsets of their own.
    """
    input, weight, offset = widen(input, weight, offset)
    output.copy_(
        torch.ops.torchvision.deform_conv2d(
            input,
            weight,
            offset,
            _no_mask(offset),
            _no_bias(weight),
            dH,
            dW,
            padH,
            padW,
            dilationH,
            dilationW,
            group,
            deformable_group,
            False,
        )
    )


@torch.no_grad()
def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Add the gradients of `deform_conv_forward` to `grad_input` and `grad_offset`.

    Args: As in `deform_conv_forward`; the gradients have the shapes of what they belong to.
    """
    input, offset, weight, grad = widen(input, offset, weight, grad_output)
    grads = torch.ops.torchvision._deform_conv2d_backward(
        grad,
        input,
        weight,
        offset,
        _no_mask(offset),
        _no_bias(weight),
        dH,
        dW,
        padH,
        padW,
        dilationH,
        dilationW,
        group,
        deformable_group,
        False,
    )
    grad_input.add_(grads[0])
    grad_offset.add_(grads[2])


@torch.no_grad()
def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    scale: float,
    im2col_step: int,
) -> None:
    """Add `scale` times the gradient of `deform_conv_forward` to `grad_weight`.

    Args: As in `deform_conv_forward`; the gradients have the shapes of what they belong to.
    """
    input, offset, grad = widen(input, offset, grad_output)
    # The gradient by the weight does not depend on the weight, which mmcv does not pass here.
    weight = torch.zeros_like(grad_weight, dtype=input.dtype)
    grads = torch.ops.torchvision._deform_conv2d_backward(
        grad,
        input,
        weight,
        offset,
        _no_mask(offset),
        _no_bias(weight),
        dH,
        dW,
        padH,
        padW,
        dilationH,
        dilationW,
        group,
        deformable_group,
        False,
    )
    grad_weight.add_(grads[1], alpha=scale)


@torch.no_grad()
def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Deformable convolution whose samples are weighted by a mask.

    Args:
        input: (N, C, H, W).
        weight: (C', C / group, kernel_h, kernel_w).
        bias: (C',), or empty if not with_bias.
        ones, columns: Unused.
        offset: (N, 2 * deformable_group * kernel_h * kernel_w, H', W'), in pixels of `input`.
        mask: (N, deformable_group * kernel_h * kernel_w, H', W').
        output: (N, C', H', W'), written in place.
        kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w: Kernel size,
            stride, padding and dilation per axis.
        group: Groups of the convolution.
        deformable_group: Groups of channels with offsets and masks of their own.
        with_bias: Whether the bias is added.
    """
    input, weight, bias, offset, mask = widen(input, weight, bias, offset, mask)
    output.copy_(
        torch.ops.torchvision.deform_conv2d(
            input,
            weight,
            offset,
            mask,
            bias if with_bias else _no_bias(weight),
            stride_h,
            stride_w,
            pad_h,
            pad_w,
            dilation_h,
            dilation_w,
            group,
            deformable_group,
            True,
        )
    )


@torch.no_grad()
def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Add the gradients of `modulated_deform_conv_forward` to the five gradient tensors.

    Args: As in `modulated_deform_conv_forward`; the gradients have the shapes of what they
        belong to, and `grad_bias` is left alone if not with_bias.
    """
    input, weight, bias, offset, mask, grad = widen(input, weight, bias, offset, mask, grad_output)
    grads = torch.ops.torchvision._deform_conv2d_backward(
        grad,
        input,
        weight,
        offset,
        mask,
        bias if with_bias else _no_bias(weight),
        stride_h,
        stride_w,
        pad_h,
        pad_w,
        dilation_h,
        dilation_w,
        group,
        deformable_group,
        True,
    )
    targets = [grad_input, grad_weight, grad_offset, grad_mask]
    if with_bias:
        targets.append(grad_bias)
    for target, gradient in zip(targets, grads, strict=False):
        target.add_(gradient)
