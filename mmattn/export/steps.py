"""What a config's test pipeline does to an image before the network, in operators that ONNX has.

Each step is a callable ``(N, h, w, 3) -> (N, H, W, 3)`` of whole numbers as int32, equal to mmcv's transform to the
last bit. Sizes that follow from the image are computed in double precision, as Python does.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mmattn.export.resize import number, resize

# Longest side that an image is resized to, in pixels: more than any network takes.
LONGEST = 2**15


@dataclass(frozen=True)
class FitInside:
    """Resizes to the largest size with the image's proportions whose sides are within two lengths.

    Args:
        longer: Limit of the longer side in pixels.
        shorter: Limit of the shorter side in pixels.
    """

    longer: int
    shorter: int

    def __call__(self, images: Tensor) -> Tensor:
        sides = _sides(images)
        factor = torch.minimum(self.longer / sides.max(), self.shorter / sides.min())
        return resize(images, *_lengths(sides * factor + 0.5))


@dataclass(frozen=True)
class ResizeEdge:
    """Resizes with the image's proportions so that one side has a given length.

    Args:
        edge: 'short', 'long', 'width' or 'height'.
        length: Length of that side in pixels.
    """

    edge: str
    length: int

    def __call__(self, images: Tensor) -> Tensor:
        height, width = sides = _sides(images)
        wide = {'short': width < height, 'long': width > height, 'width': height > 0}.get(self.edge, height < 0)
        chosen = torch.where(wide, width, height)
        lengths = torch.where(sides == chosen, torch.full_like(sides, self.length), self.length * sides / chosen)
        return resize(images, *_lengths(lengths))


@dataclass(frozen=True)
class Resize:
    """Resizes to one size, whatever the image's proportions.

    Args:
        height: Height in pixels.
        width: Width in pixels.
    """

    height: int
    width: int

    def __call__(self, images: Tensor) -> Tensor:
        return resize(images, self.height, self.width)


@dataclass(frozen=True)
class CenterCrop:
    """Cuts the middle out of images; of smaller ones, what there is.

    Args:
        height: Height of the middle in pixels.
        width: Width of the middle in pixels.
    """

    height: int
    width: int

    def __call__(self, images: Tensor) -> Tensor:
        sides = _sides(images)
        first = ((sides - sides.new_tensor((self.height, self.width))) / 2).round().clamp(min=0).long()
        for axis, length in ((1, self.height), (2, self.width)):
            kept = torch.arange(length, device=images.device) + first[axis - 1]
            kept = kept[kept < images.shape[axis]]
            torch._check(kept.shape[0] >= 1)
            torch._check(kept.shape[0] <= length)
            images = images.index_select(axis, kept)
        return images


@dataclass(frozen=True)
class PadToSquare:
    """Pads images at the right and below until they are square.

    Args:
        value: Value of the padding, from 0 to 255.
    """

    value: int

    def __call__(self, images: Tensor) -> Tensor:
        (side,) = _lengths(_sides(images).max()[None])
        below, right = side - images.shape[1], side - images.shape[2]
        return F.pad(images, (0, 0, 0, right, 0, below), value=self.value)


def _sides(images: Tensor) -> Tensor:
    """Height and width in double precision."""
    return torch.stack([number(side) for side in images.shape[1:3]])


def _lengths(values: Tensor) -> list[int]:
    """Whole numbers of pixels, cut off as Python's int() does; an error if an image shrinks to nothing."""
    whole = values.long()
    # The exporters drop assertions; there is no second entry, and so there is an error where a length is below one.
    whole = whole + torch.zeros(1, dtype=torch.int64)[(whole < 1).long()]
    lengths = whole.tolist()
    for length in lengths:
        torch._check(length >= 1)
        torch._check(length <= LONGEST)
    return lengths
