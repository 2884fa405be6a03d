"""Intervals of differences by the bootstrap over images (Efron and Tibshirani, An Introduction to the Bootstrap, 1993).

The validation images are drawn anew with replacement, the same ones for both runs, and the difference is computed
again; the middle 95 % of many such differences are the interval. It says how far the choice of images matters. How far
the random seed of the training does, only further trainings can say.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from mmattn.engine.progress import progress

from .metrics import Evaluation

LEVEL = 95


Name = TypeVar('Name', bound=Hashable)


@dataclass(frozen=True)
class Difference:
    """Difference of a metric to that of the baseline, in points of percent.

    Args:
        value: Difference over all images.
        low: Lower bound of the interval, None without an interval.
        high: Upper bound of the interval, None without an interval.
    """

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def clear(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def resample(
    evaluations: Mapping[Name, Evaluation], resamples: int, seed: int = 0
) -> dict[Name, dict[str, np.ndarray]]:
    """The metrics of runs for the same random draws of their images, with a progress bar.

    Args:
        evaluations: Evaluations by run, all of the same images.
        resamples: Number of draws.
        seed: Seed of the draws.

    Returns:
        By run and metric, (resamples,) in percent; NaN for a draw in which the metric is undefined.
    """
    count = next(iter(evaluations.values())).count
    generator = np.random.default_rng(seed)
    drawn: dict[Name, list[dict[str, float]]] = {name: [] for name in evaluations}
    for _ in progress(range(resamples), 'resampling the images'):
        weights = np.bincount(generator.integers(count, size=count), minlength=count).astype(float)
        for name, evaluation in evaluations.items():
            drawn[name].append(evaluation.metrics(weights))
    return {
        name: {metric: np.array([values[metric] for values in rows]) for metric in rows[0]}
        for name, rows in drawn.items()
    }


def difference(value: float, ours: np.ndarray, baseline: np.ndarray) -> Difference:
    """A difference with its interval.

    Args:
        value: Difference over all images, in points of percent.
        ours: Metric of the run in each resample, (resamples,), NaN where it is undefined.
        baseline: Metric of the baseline in the same resamples, (resamples,).
    """
    differences = (ours - baseline)[~np.isnan(ours - baseline)]
    if not len(differences):
        return Difference(value)
    low, high = np.percentile(differences, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return Difference(value, float(low), float(high))


def differences_to(
    baseline: Evaluation, others: Mapping[str, Evaluation], resamples: int
) -> dict[str, dict[str, Difference]]:
    """Differences of evaluations to that of a baseline on the same images, with their intervals.

    Args:
        baseline: Evaluation of the baseline.
        others: Evaluations of the other runs, by their names.
        resamples: Number of draws of the images for each interval.

    Returns:
        The differences by run and metric, of the metrics that both have.
    """
    everyone: dict[str | None, Evaluation] = {None: baseline}
    everyone.update(others)
    drawn = resample(everyone, resamples)
    whole = {name: evaluation.metrics() for name, evaluation in everyone.items()}
    return {
        name: {
            metric: difference(whole[name][metric] - whole[None][metric], drawn[name][metric], drawn[None][metric])
            for metric in whole[name]
            if metric in whole[None]
        }
        for name in others
    }
