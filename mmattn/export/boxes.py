"""Boxes in operators that ONNX has: anchors, decoding, non-maximum suppression and the best of a level.

What mmdet decides by the number of boxes that it has (``if scores.shape[0] > nms_pre``) is computed here without a
decision, so that one graph serves every size of image.
"""

from __future__ import annotations

import math

import torch
from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder
from torch import Tensor
from torchvision.ops import nms

# Score of entries that fill a level up, below that of any candidate.
NONE = -1.0
# More entries than any image has.
MOST = 2**24


def decode(coder: DeltaXYWHBBoxCoder, boxes: Tensor, deltas: Tensor, size: Tensor) -> Tensor:
    """Boxes that the deltas make of other boxes, as mmdet's DeltaXYWHBBoxCoder does.

    Args:
        coder: Coder with means, standard deviations and limits.
        boxes: Boxes, (..., 4), x1 y1 x2 y2.
        deltas: Encoded offsets, (..., 4).
        size: Height and width that boxes are cut off at, (2,).
    """
    deltas = deltas * deltas.new_tensor(coder.stds) + deltas.new_tensor(coder.means)
    center, extent = (boxes[..., :2] + boxes[..., 2:]) * 0.5, boxes[..., 2:] - boxes[..., :2]
    shift, growth, limit = extent * deltas[..., :2], deltas[..., 2:], abs(math.log(16 / 1000))
    if coder.add_ctr_clamp:
        shift, growth = shift.clamp(-coder.ctr_clamp, coder.ctr_clamp), growth.clamp(max=limit)
    else:
        growth = growth.clamp(-limit, limit)
    center, half = center + shift, extent * growth.exp() * 0.5
    decoded = torch.cat((center - half, center + half), -1)
    if not coder.clip_border:
        return decoded
    height, width = size.unbind()
    return torch.minimum(decoded.clamp(min=0), torch.stack((width, height, width, height)))


def best(scores: Tensor, values: list[Tensor], count: int) -> tuple[Tensor, list[Tensor]]:
    """The `count` best entries along the first dimension; where there are fewer, the rest has the score `NONE`.

    Args:
        scores: Scores, (N,).
        values: What belongs to the scores, each (N, ...).
        count: Number of entries of the result.
    """
    scores = torch.cat((scores, scores.new_full((count,), NONE)))
    scores, order = scores.topk(count)
    filled = [torch.cat((value, value.new_zeros(count, *value.shape[1:]))) for value in values]
    return scores, [value[order] for value in filled]


def large(boxes: Tensor, least: float) -> Tensor:
    """Whether both sides of boxes, (..., 4), are longer than `least`; below 0: all boxes."""
    return (boxes[..., 2:] - boxes[..., :2] > (least if least >= 0 else -math.inf)).all(-1)


def groups_of(labels: Tensor, settings: dict) -> Tensor:
    """The group that each box is suppressed in: its label or, if the settings of the suppression say so, the same."""
    return torch.zeros_like(labels) if settings.get('class_agnostic') else labels


def suppress(boxes: Tensor, scores: Tensor, groups: Tensor, threshold: float, most: int = -1) -> Tensor:
    """Indices of the boxes that non-maximum suppression within each group keeps, best first.

    Args:
        boxes: Boxes, (N, 4).
        scores: Scores, (N,).
        groups: Group of each box, one or two whole numbers, (N,) or (N, 2): boxes of two groups do not suppress each
            other.
        threshold: IoU above which the worse of two boxes is left out.
        most: Largest number of boxes kept; below 1: all.
    """
    # Moved apart by group as mmdet does it, but along two axes, so that the coordinates stay exact for many images.
    apart = torch.cat((boxes.flatten(), boxes.new_zeros(1))).max() + 1
    moved = groups.to(boxes) * apart
    moved = torch.stack((moved, torch.zeros_like(moved)), 1) if moved.dim() == 1 else moved
    kept = nms(boxes + moved.repeat(1, 2), scores, threshold)
    bound(kept)
    return kept[:most] if most > 0 else kept


def bound(indices: Tensor) -> None:
    """Tells the exporter that there are not more of these than a machine can count, which it writes out otherwise."""
    torch._check(indices.shape[0] <= MOST)
