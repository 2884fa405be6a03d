"""Objects that seem to lack an annotation: confident detections where nothing is annotated."""

from __future__ import annotations

import numpy as np

from .box_matches import BACKGROUND_IOU, Matches

LEAST_SCORE = 0.5


def missing_annotations(matches: Matches) -> np.ndarray:
    """Indices of the detections that may show an object without annotation, those with the highest scores first.

    They lie on nothing that is annotated (IoU of 0.1 at most with every object, and in no crowd), and their score is at
    least 0.5 and at least the mean score of the detections of their class that found an object.

    Args:
        matches: Detections matched with the objects.
    """
    usual = np.full(len(matches.classes), LEAST_SCORE)
    for label in range(len(usual)):
        scores = matches.score[matches.right & (matches.label == label)]
        if len(scores):
            usual[label] = max(LEAST_SCORE, scores.mean())
    lonely = np.maximum(matches.same_iou, matches.other_iou) <= BACKGROUND_IOU
    lonely &= (matches.crowd_iou <= BACKGROUND_IOU) & ~matches.ignored
    found = np.flatnonzero(lonely & (matches.score >= usual[matches.label]))
    return found[np.argsort(-matches.score[found], kind='stable')]
