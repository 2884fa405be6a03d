"""Calibration: whether of the predictions with a score of 0.8 80 % are right (Guo et al. 2017, arXiv:1706.04599)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 10


@dataclass(frozen=True)
class Calibration:
    """Predictions in bins of equal width by their scores, from 0 to 1.

    Args:
        count: Number of predictions in each bin, (B,).
        score: Their mean score, NaN in an empty bin, (B,).
        right: Share of them that is right, NaN in an empty bin, (B,).
    """

    count: np.ndarray
    score: np.ndarray
    right: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error, from 0 to 1: mean distance of score and share, weighted by the numbers.

        NaN without predictions.
        """
        used = self.count > 0
        if not used.any():
            return float('nan')
        return float(np.average(np.abs(self.score - self.right)[used], weights=self.count[used]))

    @property
    def edges(self) -> np.ndarray:
        """Borders of the bins, (B + 1,); a score on a border belongs to the bin below, as in the paper."""
        return np.linspace(0, 1, len(self.count) + 1)


def calibrate(scores: np.ndarray, right: np.ndarray) -> Calibration:
    """Compares scores with the share of right predictions.

    Args:
        scores: Scores from 0 to 1, (N,); what is not finite is left out.
        right: Whether each prediction is right, (N,).
    """
    return calibration_of(bin_sums(scores, right))


def bin_sums(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Number of predictions in each bin, sum of their scores, and number of those that are right, (3, B).

    Arguments are those of `calibrate`; sums of several parts may be added up.
    """
    scores, right = np.asarray(scores, float), np.asarray(right, bool)
    scores, right = scores[np.isfinite(scores)], right[np.isfinite(scores)]
    edges = np.linspace(0, 1, BINS + 1)
    index = np.clip(np.searchsorted(edges, scores, side='left') - 1, 0, BINS - 1)
    return np.stack([np.bincount(index, weights, BINS) for weights in (None, scores, right)])


def calibration_of(sums: np.ndarray) -> Calibration:
    """The calibration of sums, as of `bin_sums`.

    Args:
        sums: Number of predictions, sum of their scores, and number of right ones in each bin, (3, B).
    """
    count, score, right = np.asarray(sums)
    with np.errstate(invalid='ignore'):
        return Calibration(count.astype(int), score / count, right / count)
