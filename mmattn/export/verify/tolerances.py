"""How much an exported file may differ from the model that it was made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """Limits of the difference; None: it is printed, and is no reason to refuse the file.

    Args:
        logits: Largest difference of a logit, as a fraction of the largest logit.
        pairs: Least share of the detections of both that have a partner in the other.
        metric: Largest difference of AP, or of the accuracy of a classifier.
    """

    logits: float | None
    pairs: float | None
    metric: float


TOLERANCES = {
    'float32': Tolerance(1e-4, 0.999, 0.001),
    'float16': Tolerance(None, None, 0.002),
    'int8': Tolerance(None, None, 0.02),
}
# Two detections are partners if they have one class, this IoU at least, and scores that differ by no more than this.
IOU, SCORE = 0.99, 1e-3
