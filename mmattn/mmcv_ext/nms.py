"""Non-maximum suppression: `nms` by torchvision, `softnms` (arXiv:1704.04503) in torch.

The signatures are those by which `mmcv/ops/nms.py` calls the compiled operators.
"""

import torch
import torchvision
from torch import Tensor

from mmattn.mmcv_ext.precision import widen

NAIVE, LINEAR, GAUSSIAN = 0, 1, 2


def _closed(boxes: Tensor, offset: int) -> Tensor:
    """Boxes whose width is x2 - x1, from boxes whose width is x2 - x1 + offset."""
    return boxes + boxes.new_tensor([0, 0, offset, offset])


@torch.no_grad()
def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Greedy non-maximum suppression; a box goes when its IoU with a better one is above the
    threshold.

    Args:
        boxes: (N, 4), as x1, y1, x2, y2 in pixels.
        scores: (N,).
        iou_threshold: From 0 to 1.
        offset: 1 if x2 and y2 belong to the box (widths x2 - x1 + 1), else 0.

    Returns:
        Indices (K,) of the kept boxes, by falling score; of equal scores the earlier is first.
    """
    boxes, scores = widen(boxes, scores)
    # mmcv compares in the precision of the boxes: an IoU of exactly 0.2 does not exceed 0.2.
    threshold = torch.tensor(iou_threshold, dtype=boxes.dtype).item()
    return torchvision.ops.nms(_closed(boxes, offset), scores, threshold)


def _decay(iou: Tensor, iou_threshold: float, sigma: float, method: int) -> Tensor:
    """The factors by which soft-NMS lowers the scores of boxes with such an IoU."""
    if method == GAUSSIAN:
        return torch.exp(-iou.square() / sigma)
    lowered = 1 - iou if method == LINEAR else torch.zeros_like(iou)
    return torch.where(iou >= iou_threshold, lowered, torch.ones_like(iou))


def _drop(rest: Tensor, alive: Tensor) -> Tensor:
    """The living of `rest`, in mmcv's order: gaps are filled from the end.

    The order decides which of two boxes with equal scores is picked first.
    """
    count = int(alive.sum())
    kept = rest[:count].clone()
    kept[~alive[:count]] = rest[count:][alive[count:]].flip(0)
    return kept


@torch.no_grad()
def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Soft-NMS: boxes that overlap a better one lose score instead of vanishing.

    Args:
        boxes: (N, 4), as x1, y1, x2, y2 in pixels.
        scores: (N,).
        dets: (N, 5), written in place: the first K rows become the boxes and lowered scores.
        iou_threshold: From 0 to 1; of no effect with the Gaussian method.
        sigma: Of the Gaussian method.
        min_score: A box whose lowered score is below it is dropped.
        method: 0 naive (score 0 above the threshold), 1 linear, 2 Gaussian.
        offset: 1 if x2 and y2 belong to the box, else 0.

    Returns:
        Indices (K,) of the kept boxes, in the order in which they were picked.

    Raises:
        ValueError: If the method is none of the three.
    """
    if method not in (NAIVE, LINEAR, GAUSSIAN):
        raise ValueError(f'soft-NMS method must be 0 (naive), 1 (linear) or 2 (gaussian), not {method}')
    boxes, scores = widen(boxes, scores)
    extents = _closed(boxes, offset)
    scores = scores.clone()
    picked = []
    rest = torch.arange(len(boxes), device=boxes.device)
    while len(rest):
        top = int(scores[rest].argmax())
        best = rest[top].clone()
        rest[top] = rest[0]
        rest = rest[1:]
        picked.append(best)

        iou = torchvision.ops.box_iou(extents[best][None], extents[rest])[0]
        # Two boxes without area: 0 / 0. They do not overlap.
        scores[rest] *= _decay(iou.nan_to_num(0.0), iou_threshold, sigma, method)
        rest = _drop(rest, scores[rest] >= min_score)

    keep = torch.stack(picked) if picked else rest
    dets[: len(keep)] = torch.cat([boxes[keep], scores[keep, None]], dim=1).to(dets)
    return keep
