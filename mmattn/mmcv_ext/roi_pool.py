"""RoI max pooling (arXiv:1504.08083) in torch.

torchvision's operator of this name rounds the regions to whole pixels; mmcv's rounds only the
bins, outwards. So this one is written out. It walks over the regions, which is slow for many.
The signatures are those by which `mmcv/ops/roi_pool.py` calls the compiled operators.
"""

import torch
from torch import Tensor

from mmattn.mmcv_ext.precision import widen


def _bin_edges(start: Tensor, end: Tensor, bins: int, limit: int) -> tuple[Tensor, Tensor]:
    """First and one past the last pixel of each bin: two integer tensors (R, bins)."""
    size = ((end - start) / bins)[:, None]
    number = torch.arange(bins, device=start.device)
    first = (number * size + start[:, None]).floor()
    last = ((number + 1) * size + start[:, None]).ceil()
    return first.clamp(0, limit).long(), last.clamp(0, limit).long()


def _max_over_bins(values: Tensor, first: list[int], last: list[int]) -> tuple[Tensor, Tensor]:
    """Maxima of each bin along the last dimension and where they are; both (..., bins)."""
    pairs = [values[..., a:b].max(dim=-1) for a, b in zip(first, last, strict=True)]
    maxima = torch.stack([pair.values for pair in pairs], dim=-1)
    places = torch.stack([pair.indices + a for pair, a in zip(pairs, first, strict=True)], dim=-1)
    return maxima, places


def _pool(
    feature: Tensor, rows: tuple[list[int], list[int]], columns: tuple[list[int], list[int]]
) -> tuple[Tensor, Tensor]:
    """Maxima of one region and their places in the flattened map; both (C, rows, columns)."""
    over_x, x = _max_over_bins(feature, *columns)  # C, H, columns
    maxima, y = _max_over_bins(over_x.transpose(1, 2), *rows)  # C, columns, rows
    x = x.transpose(1, 2).gather(2, y)
    return maxima.transpose(1, 2), (y * feature.shape[2] + x).transpose(1, 2)


def _fill_empty(first: Tensor, last: Tensor, limit: int) -> tuple[Tensor, Tensor, Tensor]:
    """Edges with every empty bin widened to one pixel, and which bins were empty."""
    empty = last <= first
    first = torch.where(empty, first.clamp(max=limit - 1), first)
    return first, torch.where(empty, first + 1, last), empty


@torch.no_grad()
def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Take the maximum of every bin of each region of interest; an empty bin gives 0.

    Args:
        input: (N, C, H, W).
        rois: (R, 5), as index of the image, x1, y1, x2, y2 (inclusive) in pixels of the image.
        output: (R, C, pooled_height, pooled_width), written in place.
        argmax: Like `output`, int32, written in place: the place of each maximum in the
            flattened (H, W) map, -1 for an empty bin.
        pooled_height: Rows of the grid.
        pooled_width: Columns of the grid.
        spatial_scale: Pixels of `input` per pixel of the image.
    """
    if not len(rois):
        return
    height, width = input.shape[2:]
    boxes = widen(rois)[0]
    images = boxes[:, 0].long().tolist()
    x1, y1 = boxes[:, 1] * spatial_scale, boxes[:, 2] * spatial_scale
    x2, y2 = (boxes[:, 3] + 1) * spatial_scale, (boxes[:, 4] + 1) * spatial_scale
    top, bottom, no_rows = _fill_empty(*_bin_edges(y1, y2, pooled_height, height), height)
    left, right, no_columns = _fill_empty(*_bin_edges(x1, x2, pooled_width, width), width)

    # One transfer of all edges: slices need them as Python integers.
    edges = zip(images, top.tolist(), bottom.tolist(), left.tolist(), right.tolist(), strict=True)
    for region, (image, y_first, y_last, x_first, x_last) in enumerate(edges):
        output[region], argmax[region] = _pool(input[image], (y_first, y_last), (x_first, x_last))

    void = ((x2 <= x1) | (y2 <= y1))[:, None, None]
    empty = (no_rows[:, :, None] | no_columns[:, None, :] | void)[:, None]
    output.masked_fill_(empty, 0)
    argmax.masked_fill_(empty, -1)


@torch.no_grad()
def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Add the gradient of `roi_pool_forward` to `grad_input`.

    Args:
        grad_output: (R, C, pooled_height, pooled_width).
        rois: (R, 5).
        argmax: What `roi_pool_forward` wrote.
        grad_input: (N, C, H, W), added to in place.
        (others): As in `roi_pool_forward`.
    """
    images, channels, height, width = grad_input.shape
    plane = rois[:, 0].long()[:, None] * channels + torch.arange(channels, device=rois.device)
    place = argmax.long() + (plane * height * width)[:, :, None, None]  # R, C, rows, columns
    pooled = argmax >= 0
    grad = torch.zeros_like(grad_input).flatten()
    grad.index_add_(0, place[pooled], grad_output[pooled].to(grad))
    grad_input.add_(grad.view_as(grad_input))
