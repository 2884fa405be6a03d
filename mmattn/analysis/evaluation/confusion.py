"""Confusion of classes: of a detector with what is missed and what lies on the background, and of a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .box_matches import IOU, NONE, Matches

# The last row of a detector's matrix, and its last column.
BACKGROUND, MISSED = 'background', 'missed'


@dataclass(frozen=True)
class Pairing:
    """Objects and those detections that are kept, each with its partner of whatever class.

    Args:
        kept: Whether each detection reaches the threshold of its class and lies in no crowd, (D,).
        partner: Index of the object that each kept detection is paired with, right or wrong; -1 for none, (D,).
        missed: Whether each object is paired with no detection, (G,).
    """

    kept: np.ndarray
    partner: np.ndarray
    missed: np.ndarray


def pair(matches: Matches, thresholds: Sequence[float]) -> Pairing:
    """Pairs objects with the detections that reach a threshold: those of the same class first, as COCO does.

    Then, by falling score, each detection that is left takes the object of another class that it overlaps most, by an
    IoU of 0.5 or more, and that is left as well.

    Args:
        matches: Detections matched with the objects.
        thresholds: Least score of each class.
    """
    kept = (matches.score >= np.asarray(thresholds, float)[matches.label]) & ~matches.ignored
    partner = np.where(kept, matches.partner, NONE)
    taken = np.zeros(len(matches.objects), bool)
    taken[partner[partner != NONE]] = True
    rows = np.flatnonzero(kept & (partner == NONE) & (matches.other_iou >= IOU))
    starts = np.searchsorted(matches.objects.image, np.arange(len(matches.images) + 1))
    for row in rows:  # in each image by falling score
        theirs = slice(starts[matches.image[row]], starts[matches.image[row] + 1])
        overlap = _overlaps(matches.box[row], matches.objects.box[theirs])
        overlap[
            taken[theirs] | matches.objects.ignored[theirs] | (matches.objects.label[theirs] == matches.label[row])
        ] = 0
        if overlap.max() >= IOU:
            partner[row] = theirs.start + int(overlap.argmax())
            taken[partner[row]] = True
    # What lies in a crowd of another class is nobody's error either.
    kept &= (partner != NONE) | (matches.crowd_iou < IOU)
    return Pairing(kept, partner, ~taken & ~matches.objects.ignored)


def detector_confusion(matches: Matches, pairing: Pairing) -> np.ndarray:
    """Numbers by true class (rows, the background last) and predicted class (columns, missed last), (C + 1, C + 1).

    Args:
        matches: Detections matched with the objects.
        pairing: Objects paired with the detections that are kept.
    """
    count = len(matches.classes)
    matrix = np.zeros((count + 1, count + 1), int)
    true = np.full(len(matches), count)
    paired = pairing.partner != NONE
    true[paired] = matches.objects.label[pairing.partner[paired]]
    np.add.at(matrix, (true[pairing.kept], matches.label[pairing.kept]), 1)
    np.add.at(matrix, (matches.objects.label[pairing.missed], count), 1)
    return matrix


def classifier_confusion(labels: ArrayLike, predicted: ArrayLike, classes: int) -> np.ndarray:
    """Numbers of images by true class (rows) and predicted class (columns), (C, C).

    Args:
        labels: True class of each image.
        predicted: Predicted class of each image.
        classes: Number of classes.
    """
    matrix = np.zeros((classes, classes), int)
    np.add.at(matrix, (np.asarray(labels, int), np.asarray(predicted, int)), 1)
    return matrix


def _overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU of a box with others, (N,)."""
    from pycocotools import mask as coco_mask

    return np.asarray(coco_mask.iou(box[None], others, np.zeros(len(others), np.uint8)))[0].copy()
