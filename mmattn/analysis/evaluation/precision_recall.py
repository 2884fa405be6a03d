"""Precision and recall of ranked detections: COCO's average precision, and the score at which F1 is best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RECALLS = np.linspace(0, 1, 101)


def best_precisions(found: np.ndarray, counted: np.ndarray, objects: float, recalls: np.ndarray) -> np.ndarray:
    """The best precision at each recall or a higher one, (R,), as in COCO.

    Args:
        found: Number of objects found down to each detection that finds one, in order of the scores, (H,).
        counted: Number of detections, right or wrong, down to the same ones, (H,).
        objects: Number of objects to find, more than 0.
        recalls: Recalls from 0 to 1, (R,).
    """
    precision = found / (counted + np.spacing(1))
    best = np.maximum.accumulate(precision[::-1])[::-1]
    index = np.searchsorted(found / objects, recalls, side='left')
    curve = np.zeros(len(recalls))
    reached = index < len(found)
    curve[reached] = best[index[reached]]
    return curve


def average_precision(right: np.ndarray, scores: np.ndarray, objects: int) -> float:
    """COCO's average precision of the detections of one class at one IoU; NaN without objects.

    Args:
        right: Whether each detection found an object, (D,).
        scores: Scores of the detections, (D,).
        objects: Number of objects to find.
    """
    if objects <= 0:
        return float('nan')
    order = np.argsort(-scores, kind='mergesort')  # stable, as in pycocotools
    hits = np.flatnonzero(right[order])
    return float(best_precisions(np.arange(1, len(hits) + 1), hits + 1, objects, RECALLS).mean())


@dataclass(frozen=True)
class Threshold:
    """The score from which on detections are best kept, by F1, and what comes of it.

    Args:
        score: Least score of the detections that are kept.
        precision: Share of these that are right.
        recall: Share of the objects that these find.
    """

    score: float
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def best_threshold(right: np.ndarray, scores: np.ndarray, objects: int) -> Threshold | None:
    """The score of the detection down to which F1 is best, the highest of several; None if nothing is found.

    Args:
        right: Whether each detection found an object, (D,).
        scores: Scores of the detections, (D,).
        objects: Number of objects to find.
    """
    if objects <= 0 or not right.any():
        return None
    order = np.argsort(-scores, kind='mergesort')
    right, scores = right[order], scores[order]
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))  # equal scores are kept or left together
    found = np.cumsum(right)[last]
    best = int(np.argmax(2 * found / (last + 1 + objects)))
    return Threshold(float(scores[last[best]]), float(found[best] / (last[best] + 1)), float(found[best] / objects))
