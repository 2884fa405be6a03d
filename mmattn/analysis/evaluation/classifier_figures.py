"""All figures of a classifier's predictions: accuracy, precision and recall by class, confusion, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmattn.analysis.runs.metrics import TOP

from .calibration import Calibration, calibrate
from .confusion import classifier_confusion


@dataclass(frozen=True)
class ClassifierFigures:
    """Figures of a classifier.

    Args:
        classes: Names of the classes.
        label: True class of each image, (N,).
        predicted: Class with the highest score of each image, (N,).
        score: This score, (N,).
        label_score: Score of the true class of each image, (N,).
        indices: Place of each image in the data set, (N,).
        accuracy: Top-1 and top-5 accuracy in percent by 'top-1' and 'top-5', the latter of more than five classes only.
        by_class: Number of images, precision, recall and F1 from 0 to 1 by class; None where undefined.
        confusion: Numbers of images by true (rows) and predicted class, (C, C).
        calibration: Scores of the predicted classes compared with the share of them that is right.
    """

    classes: tuple[str, ...]
    label: np.ndarray
    predicted: np.ndarray
    score: np.ndarray
    label_score: np.ndarray
    indices: tuple[int, ...]
    accuracy: dict[str, float]
    by_class: dict[str, dict[str, float | None]]
    confusion: np.ndarray
    calibration: Calibration

    @property
    def right(self) -> np.ndarray:
        """Whether the class of each image is predicted, (N,)."""
        return self.label == self.predicted

    def label_errors(self) -> np.ndarray:
        """Indices of the images whose label is doubtful, those with the most confident predictions first.

        As in confident learning (Northcutt et al. 2021, arXiv:1911.00068): another class is predicted, with a score at
        least as high as the mean that this class has on the images that are labelled so.
        """
        counts = np.bincount(self.label, minlength=len(self.classes))
        with np.errstate(invalid='ignore'):
            usual = np.bincount(self.label, self.label_score, len(self.classes)) / counts
        doubtful = np.flatnonzero(~self.right & (self.score >= usual[self.predicted]))
        return doubtful[np.argsort(-(self.score - self.label_score)[doubtful], kind='stable')]

    def worst(self) -> np.ndarray:
        """Indices of the images with a wrong class, the most confidently wrong first."""
        wrong = np.flatnonzero(~self.right)
        return wrong[np.argsort(-(self.score - self.label_score)[wrong], kind='stable')]


def classifier_figures(predictions: Mapping) -> ClassifierFigures:
    """Computes the figures of a classifier.

    Args:
        predictions: Predictions of a classifier, as
            `mmattn.analysis.evaluation.checkpoint_predictions.predict` returns them.
    """
    count = predictions['classes']
    names = tuple(map(str, predictions.get('names') or ()))
    names = names if len(names) == count else tuple(map(str, range(count)))
    label, predicted = np.array(predictions['labels'], int), np.array(predictions['predicted'], int)
    score, label_score = (np.nan_to_num(np.array(predictions[name], float)) for name in ('scores', 'label_scores'))
    ranks, confusion = np.array(predictions['ranks']), classifier_confusion(label, predicted, count)
    tops = {name: int(name.removeprefix('top-')) for name in TOP}
    accuracy = {name: 100 * float(np.mean(ranks < k)) for name, k in tops.items() if k < count and len(ranks)}
    return ClassifierFigures(
        names,
        label,
        predicted,
        score,
        label_score,
        tuple(predictions['indices']),
        accuracy,
        _by_class(names, confusion),
        confusion,
        calibrate(score, label == predicted),
    )


def _by_class(names: Sequence[str], confusion: np.ndarray) -> dict[str, dict[str, float | None]]:
    found = {}
    for index, name in enumerate(names):
        right, images, answers = confusion[index, index], confusion[index].sum(), confusion[:, index].sum()
        found[name] = dict(
            images=int(images),
            precision=float(right / answers) if answers else None,
            recall=float(right / images) if images else None,
            F1=float(2 * right / (images + answers)) if images else None,
        )
    return found
