"""Anchors of a region proposal network, as few as find nearly all boxes of the training data."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .choice import Choice

STRIDES = (4, 8, 16, 32, 64)
# Share of the boxes that an anchor overlaps with an IoU of half or more.
RECALL, IOU = 0.98, 0.5
# Where no choice reaches that, what more anchors have to find to be worth their time.
WORTH = 0.03
# Boxes that are looked at; more change nothing.
MOST_BOXES = 5000
# Fewest anchors of a place: with one alone mmdet's RPN head fails where a level has one place.
FEWEST = 3
RATIOS = ((1.0,), (0.5, 1.0, 2.0), (0.33, 0.5, 1.0, 2.0, 3.0))
BASES = (1, 1.5, 2, 3, 4, 6, 8, 12)
DEFAULT = ((8,), (0.5, 1.0, 2.0))  # mmdet's


@dataclass(frozen=True)
class Anchors:
    """Anchors of each level of a feature pyramid.

    Args:
        scales: Sizes of the anchors (root of the area) in strides of the level.
        ratios: Heights over widths.
    """

    scales: tuple[float, ...]
    ratios: tuple[float, ...]

    def sizes(self, stride: int) -> np.ndarray:
        """(anchors, 2) widths and heights in pixels on a level."""
        return np.array(
            [
                (stride * scale / ratio**0.5, stride * scale * ratio**0.5)
                for scale, ratio in itertools.product(self.scales, self.ratios)
            ]
        )


def choose_anchors(boxes: np.ndarray, seed: int = 0) -> Choice:
    """The fewest anchors with which 98 % of the boxes have one that overlaps with IoU 0.5.

    Args:
        boxes: (objects, 4) left, top, width and height in pixels of the images as they are resized for training.
        seed: Seed by which boxes are drawn, if there are many.
    """
    boxes = np.asarray(boxes, float).reshape(-1, 4)
    if len(boxes) > MOST_BOXES:
        boxes = np.random.default_rng(seed).choice(boxes, MOST_BOXES, replace=False)
    found = []
    for _, group in itertools.groupby(_candidates(), key=_count):
        recalls = [(recall(boxes, anchors), anchors) for anchors in group]
        found.append(max(recalls, key=lambda pair: (pair[0], _closeness(pair[1]))))
        if found[-1][0] >= RECALL:
            break
    most = max(reached for reached, _ in found)
    enough = RECALL if most >= RECALL else most - WORTH
    best_recall, best = next(pair for pair in found if pair[0] >= enough)
    reason = f'{100 * best_recall:.1f} % of the boxes have an anchor with IoU {IOU} or more'
    if best_recall < RECALL:
        reason += ', more would add little: the others are very thin, small or large'
    text = f'{_short(best.scales)} x {_short(best.ratios)}'
    return Choice('anchors', best, reason, text)


def recall(boxes: np.ndarray, anchors: Anchors) -> float:
    """Share of the boxes that some anchor overlaps with IoU 0.5, on the grid where the levels have them.

    Args:
        boxes: (objects, 4) left, top, width and height in pixels of the resized image.
        anchors: Anchors of each level.
    """
    if not len(boxes):
        return 1.0
    corners, extents = boxes[:, None, :2], boxes[:, None, 2:]  # (objects, 1, 2)
    found = np.zeros(len(boxes), bool)
    for stride in STRIDES:
        sizes = anchors.sizes(stride)[None]  # (1, anchors, 2)
        centres = np.round((corners + extents / 2) / stride) * stride  # the nearest point of the grid
        low = np.maximum(corners, centres - sizes / 2)
        high = np.minimum(corners + extents, centres + sizes / 2)
        shared = np.clip(high - low, 0, None).prod(-1)
        union = extents.prod(-1) + sizes.prod(-1) - shared
        found |= (shared / union).max(1) >= IOU
    return float(found.mean())


def _candidates() -> list[Anchors]:
    """From the fewest anchors on."""
    found = (Anchors(scales, ratios) for ratios in RATIOS for scales in _scales())
    return sorted((anchors for anchors in found if _count(anchors) >= FEWEST), key=_count)


def _scales() -> Iterator[tuple[float, ...]]:
    for base in BASES:
        yield (base,)
        yield (base, round(base * 2**0.5, 2))
        yield (base, 2 * base)
        yield tuple(round(base * 2 ** (third / 3), 2) for third in range(3))


def _count(anchors: Anchors) -> int:
    return len(anchors.scales) * len(anchors.ratios)


def _closeness(anchors: Anchors) -> float:
    """Of anchors with the same recall those that are more like mmdet's own."""
    return -abs(np.log(anchors.scales[0] / DEFAULT[0][0]))


def _short(values: Sequence[float]) -> str:
    return ', '.join(f'{value:g}' for value in values)
