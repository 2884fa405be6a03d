"""Intervals of differences by the bootstrap over images (Efron and Tibshirani, An Introduction to the Bootstrap, 1993).

The validation images are drawn anew with replacement, the same ones for both runs, and the difference is computed
again; the middle 95 % of many such differences are the interval. It says how far the choice of images matters. How far
the random seed of the training does, only further trainings can say.
"""
from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from mmengine.utils import track_iter_progress

from .evaluation import Evaluation

LEVEL = 95


@dataclass(frozen=True)
class Difference:
    """How much more than the baseline, in points of percent, with the bounds of its interval.

    Args:
        value: of all images.
        low, high: bounds, None without an interval.
    """

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def clear(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low is not None and (self.low > 0 or self.high < 0)


def resample(evaluations: Mapping[str, Evaluation], resamples: int, seed: int = 0) -> dict[str, dict[str, np.ndarray]]:
    """The metrics of runs for the same random draws of their images, with a progress bar.

    Args:
        evaluations: by run, all of the same images.
        resamples: number of draws.
        seed: of the draws.

    Returns:
        By run and metric, (resamples,) in percent; NaN for a draw in which the metric is undefined.
    """
    count = next(iter(evaluations.values())).count
    generator = np.random.default_rng(seed)
    drawn = {name: [] for name in evaluations}
    for _ in track_iter_progress((range(resamples), resamples), file=sys.stderr):
        weights = np.bincount(generator.integers(count, size=count), minlength=count).astype(float)
        for name, evaluation in evaluations.items():
            drawn[name].append(evaluation.metrics(weights))
    print(file=sys.stderr)
    return {name: {metric: np.array([values[metric] for values in rows]) for metric in rows[0]}
            for name, rows in drawn.items()}


def difference(value: float, ours: np.ndarray, baseline: np.ndarray) -> Difference:
    """`value` with the interval from the metrics of resamples, (resamples,) each."""
    differences = (ours - baseline)[~np.isnan(ours - baseline)]
    if not len(differences):
        return Difference(value)
    low, high = np.percentile(differences, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return Difference(value, float(low), float(high))
