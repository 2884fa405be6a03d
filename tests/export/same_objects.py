"""Objects that two detectors find in an image, compared one by one."""

from __future__ import annotations

import numpy as np


def overlaps(boxes, others):
    """IoU of each box with each of others."""
    first, second = boxes.astype(float)[:, None], others.astype(float)[None]
    common = (
        (np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])).clip(0).prod(-1)
    )
    areas = [(one[..., 2:] - one[..., :2]).clip(0).prod(-1) for one in (first, second)]
    near = np.abs(first - second).max(-1) < 1e-2
    union = areas[0] + areas[1] - common
    return np.where(near, 1.0, common / np.maximum(union, 1e-9))


def assert_same_objects(found: dict, wanted: dict, share: float = 1.0) -> int:
    """Each object has its like in the other: label, box, score, and mask where there are masks.

    Args:
        found: Objects of a file: boxes, scores, labels and masks.
        wanted: Those of mmdet.
        share: Part of the objects that have to have one.

    Returns:
        The number of objects.
    """
    count = len(wanted['boxes'])
    assert abs(len(found['boxes']) - count) <= (1 - share) * count
    if not count:
        return 0
    like = (
        (found['labels'][:, None] == wanted['labels'])
        & (np.abs(found['scores'][:, None] - wanted['scores']) < 1e-3)
        & (overlaps(found['boxes'], wanted['boxes']) > 0.99)
    )
    assert like.any(1).mean() >= share and like.any(0).mean() >= share
    if 'masks' in wanted:
        assert found['masks'].shape[1:] == wanted['masks'].shape[1:]
        for row in np.flatnonzero(like.any(1)):
            # Of several alike one has this mask.
            best = max(agreement(found['masks'][row], wanted['masks'][column]) for column in np.flatnonzero(like[row]))
            assert best > 0.98
    return count


def agreement(mask, other):
    """IoU of two masks, of which a pixel or two at the edge do not count."""
    return 1.0 if (mask ^ other).sum() <= 2 else (mask & other).sum() / (mask | other).sum()
