"""Position weights of EMA (arXiv:2305.13563) without the feature maps that they are defined by.

The formula is in `mmattn.models.attention.ema`. In each group ``g`` of c channels it makes two feature maps of c
channels, ``x1 = norm(z)`` and ``x2 = conv3x3(g)``, and a descriptor of each. Neither is needed:

* The mean of a normalised channel is its shift, so ``softmax(mean(x1)) = softmax(norm.bias) = q1``, for any input.
* Convolution is linear, so ``q1 . x2`` is a convolution with one output channel, of kernel ``q1 . weight``.
* So is the mean: ``mean(x2)`` is a sum over the taps of the kernel of means of what they see, which of the zero-padded
  feature map is all but a row and a column at the edge.
* ``q2 . x1`` is one weighted sum over channels, with the scale of the norm in the weights.

Shapes throughout: B groups of all images, c channels, H x W positions, n = H * W.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .function import faster_function

TAPS = tuple((i, j) for i in range(3) for j in range(3))


def position_weights(ema: Any, x: Tensor) -> Tensor:
    """The weight of each position for each group.

    Args:
        ema: Module with `factor`, `norm`, `conv1` and `conv3`.
        x: Feature map (N, C, H, W).

    Returns:
        (N, factor, 1, H, W).
    """
    n, _, height, width = x.shape
    g = x.reshape(n * ema.factor, ema.norm.num_channels, height, width)
    pooled = _pool(None, g)
    # conv1 as a product: on so few positions a convolution takes longer to set up than to run
    lines = torch.baddbmm(
        ema.conv1.bias[:, None], ema.conv1.weight.flatten(1).expand(len(g), -1, -1), pooled[:, :, : height + width]
    )
    q1 = ema.norm.bias.softmax(0)  # (c,)
    q2 = _mean_of_conv(ema.conv3, *pooled.split((height, width, 4), 2)).softmax(1)  # (B, c)
    kernel = torch.einsum('k,kcij->cij', q1, ema.conv3.weight)
    shift = q2 @ ema.norm.bias + q1 @ ema.conv3.bias
    weights = _weights(ema.norm.eps, g, lines, q2 * ema.norm.weight, kernel, shift)
    return weights.reshape(n, ema.factor, 1, height, width)


# --- pooling ------------------------------------------------------------------------------------


def _pool_reference(_, g: Tensor) -> Tensor:
    """Means of rows and of columns, and the corners: (B, c, H, W) -> (B, c, H + W + 4)."""
    corners = _ends(_ends(g, 2), 3).flatten(2)
    return torch.cat((g.mean(3), g.mean(2), corners), 2)


def _ends(x: Tensor, dim: int) -> Tensor:
    """The last and the first entry along `dim`."""
    return torch.stack((x.select(dim, -1), x.select(dim, 0)), dim)


def _pool_gradient(
    _, inputs: list[Tensor], _output: Tensor, gradient: Tensor, _needed: tuple[bool, ...]
) -> tuple[Tensor]:
    """One feature map for the gradient of all three parts."""
    height, width = inputs[0].shape[2:]
    rows, columns, corners = gradient.split((height, width, 4), 2)
    dg = (rows / width)[:, :, :, None] + (columns / height)[:, :, None, :]
    for i, (row, column) in enumerate(((-1, -1), (-1, 0), (0, -1), (0, 0))):
        dg[:, :, row, column] += corners[:, :, i]
    return (dg,)


_pool = faster_function(_pool_reference, _pool_reference, _pool_gradient)


def _mean_of_conv(conv: nn.Conv2d, rows: Tensor, columns: Tensor, corners: Tensor) -> Tensor:
    """The means (B, c) over positions of a 3x3 convolution's output, without its output.

    The padding hides the last row from the taps of the kernel's first row and the first row from those of its last;
    so with columns. A tap sees all, less a row and a column, plus their corner, which was taken off twice.

    Args:
        conv: Convolution of c to c channels with padding 1.
        rows: Means of the rows of its input, (B, c, H).
        columns: Means of the columns, (B, c, W).
        corners: Corners in the order of `_ends`, (B, c, 4).
    """
    height, width = rows.shape[2], columns.shape[2]
    seen = torch.cat(
        (rows.mean(2, keepdim=True), _ends(rows, 2) / height, _ends(columns, 2) / width, corners / (height * width)), 2
    )  # (B, c, 9)
    taps = conv.weight  # (c, c, 3, 3)
    weight = torch.cat(
        (
            taps.sum((2, 3))[:, :, None],
            -taps.sum(3)[:, :, ::2],
            -taps.sum(2)[:, :, ::2],
            taps[:, :, ::2, ::2].flatten(2),
        ),
        2,
    )  # (c, c, 9)
    return F.linear(seen.flatten(1), weight.flatten(1), conv.bias)


# --- weights ------------------------------------------------------------------------------------
# ``sigmoid(v . zhat + kernel * g + shift)`` with ``zhat = (z - mean(z)) / std(z)`` over the n positions and
# ``z = g * h * w``, where ``h`` and ``w`` are the sigmoids of `lines`; ``kernel * g`` is a convolution.
# Inputs: g (B, c, H, W), lines (B, c, H + W), v (B, c), kernel (c, 3, 3), shift (B,); output (B, 1, H, W).


def _weights_reference(eps: float, g: Tensor, lines: Tensor, v: Tensor, kernel: Tensor, shift: Tensor) -> Tensor:
    h, w = _factors(lines, g)
    z = g * h * w
    z = z - z.mean((2, 3), keepdim=True)
    v = v[:, :, None, None] * torch.rsqrt(z.square().mean((2, 3), keepdim=True) + eps)
    return ((v * z).sum(1, keepdim=True) + F.conv2d(g, kernel[None], padding=1) + shift[:, None, None, None]).sigmoid()


def _weights_forward(eps: float, g: Tensor, lines: Tensor, v: Tensor, kernel: Tensor, shift: Tensor) -> Tensor:
    out = _conv_to_one(g, kernel) + shift[:, None, None, None]
    z, scale = _centred(eps, g, *_factors(lines, g))
    return (out + torch.bmm((v * scale)[:, None], z.flatten(2)).view_as(out)).sigmoid()


def _weights_gradient(
    eps: float, inputs: list[Tensor], weights: Tensor, gradient: Tensor, _needed: tuple[bool, ...]
) -> tuple[Tensor, ...]:
    """Gradients of the five inputs; ``z - mean(z)`` is computed again.

    With s for the gradient of what the sigmoid takes, and d(h) / d(lines) = h (1 - h):

        dv[k] = sum(s * zhat[k])
        dz[k] = v[k] / std[k] * (s - mean(s) - zhat[k] * dv[k] / n)
        dlines = (1 - h) * sum over columns of z * dz,  (1 - w) * sum over rows of z * dz
    """
    g, lines, v, kernel, _ = inputs
    n = g.shape[2] * g.shape[3]
    s = gradient * weights * (1 - weights)
    served = _shifted(s).flatten(2)  # (B, 9, n)
    s = s.flatten(2)  # (B, 1, n)
    dkernel = torch.bmm(g.flatten(2), served.transpose(1, 2)).sum(0).view_as(kernel)

    h, w = _factors(lines, g)
    z, scale = _centred(eps, g, h, w)
    z, scale = z.flatten(2), scale[:, :, None]
    dv = torch.bmm(z, s.transpose(1, 2)).mul_(scale)  # (B, c, 1)
    v = v[:, :, None] * scale
    dz = z.mul_(v * (dv / -n * scale)).baddbmm_(v, s - s.mean(2, keepdim=True)).view_as(g)

    dz.mul_(h).mul_(w)
    zdz = dz * g  # with h and w in dz: z * dz
    dlines = torch.cat((zdz.sum(3).mul_(1 - h[:, :, :, 0]), zdz.sum(2).mul_(1 - w[:, :, 0])), 2)
    dg = dz.flatten(2).baddbmm_(kernel.flatten(1).expand(len(g), -1, -1), served)
    return dg.view_as(g), dlines, dv[:, :, 0], dkernel, s.sum((1, 2))


def _factors(lines: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """h (B, c, H, 1) and w (B, c, 1, W)."""
    height = g.shape[2]
    lines = lines.sigmoid()
    return lines[:, :, :height, None], lines[:, :, None, height:]


def _centred(eps: float, g: Tensor, h: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """z - mean(z), (B, c, H, W), and 1 / std(z), (B, c)."""
    z = (g * h).mul_(w)
    z.sub_(z.mean((2, 3), keepdim=True))
    # with the mean gone the norm is as exact as var_mean, which is many times slower on a CPU
    std = torch.linalg.vector_norm(z, dim=(2, 3)) / (z.shape[2] * z.shape[3]) ** 0.5
    return z, torch.rsqrt(std.square() + eps)


def _conv_to_one(g: Tensor, kernel: Tensor) -> Tensor:
    """A 3x3 convolution with padding 1 and one output channel, (B, c, H, W) -> (B, 1, H, W).

    One product for each tap, then the sum of the shifted products: on a CPU many times faster than a convolution, which
    computes 8 or 16 output channels at once.
    """
    height, width = g.shape[2:]
    taps = torch.bmm(kernel.flatten(1).t().expand(len(g), -1, -1), g.flatten(2))
    taps = taps.unflatten(2, (height, width)).unbind(1)  # 9 of (B, H, W)
    out = g.new_zeros(len(g), height + 2, width + 2)
    for (i, j), tap in zip(TAPS, taps, strict=True):  # from p to p - (i - 1, j - 1)
        out[:, 2 - i : 2 - i + height, 2 - j : 2 - j + width] += tap
    return out[:, None, 1:-1, 1:-1]


def _shifted(gradient: Tensor) -> Tensor:
    """What each tap of `_conv_to_one` contributed to: (B, 1, H, W) -> (B, 9, H, W)."""
    height, width = gradient.shape[2:]
    padded = F.pad(gradient[:, 0], (1, 1, 1, 1))
    return torch.stack([padded[:, 2 - i : 2 - i + height, 2 - j : 2 - j + width] for i, j in TAPS], 1)


_weights = faster_function(_weights_reference, _weights_forward, _weights_gradient)
