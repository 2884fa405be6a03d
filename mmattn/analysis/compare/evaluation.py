"""Predictions of one training on its validation images, evaluated: as a whole, and for any resample of the images."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mmattn.analysis.runs.ap import ROWS

from .coco import CocoEvaluation
from .metrics import TOP

IOUS = (0.5, 0.75)


class Evaluation(Protocol):
    """What is known of a training's predictions.

    Attributes:
        images: what tells the validation images and their order; two evaluations with the same can be paired.
        count: number of these images.
    """

    images: tuple
    count: int

    def metrics(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """Metrics in percent, with each image counted as often as `weights`, (I,), says; NaN where undefined."""

    def curves(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Recall and precision by title; none for a classifier."""


class Detections:
    """Evaluation of a detector.

    Args:
        predictions: as :func:`mmattn.analysis.compare.predictions.predict` gives them.
    """

    def __init__(self, predictions: Mapping) -> None:
        self.images = ('detector', *sorted(predictions['images']), 'of', *sorted(predictions['categories']))
        self.count = len(predictions['images'])
        self._kinds = {
            kind: CocoEvaluation(
                predictions['annotations'], predictions['results'][key], key, predictions['images'],
                predictions['categories'], predictions['max_detections'])
            for kind, key in ROWS.items() if key in predictions['results']}

    def metrics(self, weights: np.ndarray | None = None) -> dict[str, float]:
        return {f'{kind} {column}': value for kind, evaluation in self._kinds.items()
                for column, value in evaluation.precisions(weights).items()}

    def curves(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        found = {f'{kind}, IoU ≥ {iou:.2f}': evaluation.curve(iou)
                 for kind, evaluation in self._kinds.items() for iou in IOUS}
        return {title: curve for title, curve in found.items() if curve is not None}


@dataclass
class Answers:
    """Evaluation of a classifier.

    Args:
        labels: the true class of each image.
        ranks: (I,), how many classes it rated at least as high as the true one, that one left out.
        classes: number of classes.
    """

    labels: tuple[int, ...]
    ranks: np.ndarray
    classes: int

    @property
    def images(self) -> tuple:
        return 'classifier', *self.labels

    @property
    def count(self) -> int:
        return len(self.labels)

    def metrics(self, weights: np.ndarray | None = None) -> dict[str, float]:
        tops = {name: int(name.removeprefix('top-')) for name in TOP}
        return {name: 100 * float(np.average(self.ranks < k, weights=weights))
                for name, k in tops.items() if k < self.classes}

    def curves(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        return {}


def evaluate(predictions: Mapping) -> Evaluation:
    """Evaluates what :func:`mmattn.analysis.compare.predictions.predict` gave.

    Raises:
        UserError: if pycocotools is missing, or the annotations do not belong to the predictions.
    """
    if predictions['kind'] == 'detector':
        return Detections(predictions)
    return Answers(tuple(predictions['labels']), np.array(predictions['ranks']), predictions['classes'])
