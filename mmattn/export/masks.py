"""Masks of objects at the size of the image, in operators that ONNX has."""

from __future__ import annotations

import torch
from torch import Tensor


def paste(masks: Tensor, boxes: Tensor, height: int, width: int) -> Tensor:
    """Masks as large as the image, as mmdet pastes them.

    They are enlarged by a product with a matrix for each side, as bilinear interpolation can be: runtimes have fast
    products, while GridSample, which does both at once, took half of a detector's time in onnxruntime.

    Args:
        masks: Probabilities within the boxes, (N, h, w).
        boxes: Boxes in pixels of the image, (N, 4).
        height: Height of the image in pixels.
        width: Width of the image in pixels.

    Returns:
        Probabilities, (N, height, width), zero outside the boxes.
    """
    x1, y1, x2, y2 = boxes.split(1, 1)  # each (N, 1)
    rows = _weights(_places(y1, y2, height), masks.shape[1])
    columns = _weights(_places(x1, x2, width), masks.shape[2])
    return rows @ masks @ columns.transpose(1, 2)


def _places(first: Tensor, last: Tensor, length: int) -> Tensor:
    """Places of pixels along one side of the image within boxes, from -1 to 1, (N, length).

    Args:
        first: Begin of the boxes, (N, 1).
        last: Their end, (N, 1).
        length: Number of pixels.
    """
    pixels = torch.arange(length, device=first.device).to(first.dtype)
    places = (pixels + 0.5 - first) / (last - first) * 2 - 1
    # A box without extent has its middle in the pixels around it, as it has where mmdet runs on a CPU.
    near = (pixels >= first.floor() - 1) & (pixels < last.ceil() + 1)
    return torch.where(last > first, places, torch.where(near & (pixels + 0.5 != first), 0.0, 2.0))


def _weights(places: Tensor, cells: int) -> Tensor:
    """Weights of bilinear interpolation between cells that lie side by side from -1 to 1, zero beyond these.

    Args:
        places: Places, (N, length).
        cells: Number of cells.

    Returns:
        What each cell counts at each place, (N, length, cells).
    """
    centres = torch.arange(cells, device=places.device).to(places.dtype)
    at = ((places + 1) * cells - 1) / 2  # in cells: the first one's centre is 0
    return (1 - (at[:, :, None] - centres).abs()).clamp(min=0)
