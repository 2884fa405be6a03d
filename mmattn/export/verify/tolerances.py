"""How much an exported file may differ from the model that it was made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """Limits of the difference; None: it is printed, and is no reason to refuse the file.

    Args:
        logits: Largest difference of a logit, as a fraction of the largest logit.
        pairs: Least share of the detections of both that have a partner in the other.
        metric: Largest difference of AP, of the accuracy of a classifier, or of mIoU.
        pixels: Least share of the pixels that are of the same class in both.
    """

    logits: float | None
    pairs: float | None
    metric: float
    pixels: float | None


TOLERANCES = {
    'float32': Tolerance(1e-4, 0.999, 0.001, 0.9999),
    'float16': Tolerance(None, None, 0.002, None),
    'int8': Tolerance(None, None, 0.02, None),
}
# Two detections are partners if they have one class, this IoU at least, and scores that differ by no more than this.
IOU, SCORE = 0.99, 1e-3
