"""Resizing of 8-bit images to the last bit as OpenCV's bilinear interpolation, in operators that ONNX has.

ONNX's own Resize interpolates without rounding, so that a network would see other images than it was tested with.
OpenCV has weights of 11 bits and rounds once, after a sum whose terms it shortens.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Weights are whole numbers of this part of one.
ONE = 2048


def resize(images: Tensor, height: int, width: int) -> Tensor:
    """Images of another size.

    Args:
        images: Images, (N, h, w, C), whole numbers from 0 to 255 as int32.
        height: Height of the result in pixels.
        width: Width of the result in pixels.

    Returns:
        Images, (N, height, width, C), int32.
    """
    left, right, weight_left, weight_right = _taps(images.shape[2], width, clamped=True)
    rows = images[:, :, left] * weight_left[:, None] + images[:, :, right] * weight_right[:, None]
    rows = rows // 16
    upper, lower, weight_upper, weight_lower = _taps(images.shape[1], height, clamped=False)
    above = rows[:, upper] * weight_upper[:, None, None] // 65536
    return (above + rows[:, lower] * weight_lower[:, None, None] // 65536 + 2) // 4


def _taps(source: int, target: int, clamped: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Indices of the two source pixels of each target pixel, and their weights.

    Args:
        source: Number of pixels of the image.
        target: Number of pixels of the result.
        clamped: Whether the outermost pixels have one tap with all the weight, or the same tap twice.
    """
    step = 1.0 / (number(target) / number(source))
    place = ((torch.arange(target).double() + 0.5) * step - 0.5).float()
    first = place.floor()
    share = place - first
    if clamped:
        share = torch.where((first < 0) | (first >= source - 1), torch.zeros_like(share), share)
    first = first.long()
    last = torch.ones_like(first) * (source - 1)
    before, after = (tap.clamp(min=0).minimum(last) for tap in (first, first + 1))
    return before, after, ((1 - share) * ONE).round().int(), (share * ONE).round().int()


def number(count: int) -> Tensor:
    """A size as a number in double precision, of which a graph knows that it depends on the input."""
    return torch.full((), count, dtype=torch.float64)
