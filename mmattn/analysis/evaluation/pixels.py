"""Pixels by annotated and predicted class: IoU and accuracy by class, their means, of any choice of images.

With each image once the figures are those of mmseg's IoUMetric, to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch

# Distance in pixels of the image file from a border between annotated classes up to which a pixel is near it.
BORDER = 3


def pixel_confusion(truth: np.ndarray, predicted: np.ndarray, classes: int, ignored: int) -> np.ndarray:
    """Numbers of pixels by annotated (rows) and predicted class (columns), (C + 1, C + 1).

    The last row has the pixels whose label is beyond the classes, and the last column those for which such a label is
    predicted: IoUMetric counts the former for the predicted classes, and the latter for the annotated ones.

    Args:
        truth: Annotated labels, (H, W).
        predicted: Predicted labels, (H, W).
        classes: Number of classes.
        ignored: Label of the pixels that do not count.
    """
    counted = truth != ignored
    rows, columns = (np.minimum(labels[counted].astype(np.int64), classes) for labels in (truth, predicted))
    numbers = np.bincount(rows * (classes + 1) + columns, minlength=(classes + 1) ** 2)
    return numbers.reshape(classes + 1, classes + 1)


def sparse(matrix: np.ndarray) -> list[list[int]]:
    """The cells of a confusion matrix that are not 0, as their places in the flattened matrix and their numbers."""
    flat = matrix.reshape(-1)
    places = np.flatnonzero(flat)
    return [places.tolist(), flat[places].tolist()]


def dense(cells: Sequence[Sequence[int]], classes: int) -> np.ndarray:
    """The confusion matrix of cells, (C + 1, C + 1); see `sparse`.

    Args:
        cells: Places and numbers.
        classes: Number of classes.
    """
    matrix = np.zeros((classes + 1) ** 2, np.int64)
    matrix[np.asarray(cells[0], int)] = cells[1]
    return matrix.reshape(classes + 1, classes + 1)


def border_errors(truth: np.ndarray, predicted: np.ndarray, ignored: int) -> tuple[int, int]:
    """Number of the pixels near a border between annotated classes, and of those of them that are wrong.

    Args:
        truth: Annotated labels, (H, W).
        predicted: Predicted labels, (H, W).
        ignored: Label of the pixels that do not count; where they begin there is no border.
    """
    counted = truth != ignored
    border = np.zeros(truth.shape, bool)
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        differ = (truth[one] != truth[other]) & counted[one] & counted[other]
        border[one] |= differ
        border[other] |= differ
    if not border.any():
        return 0, 0
    # A pixel at a border has a distance of 0 here, and is the first of those that are near.
    near = cv2.distanceTransform((~border).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) < BORDER
    near &= counted
    return int(near.sum()), int((near & (truth != predicted)).sum())


@dataclass(frozen=True)
class PixelAreas:
    """Numbers of pixels by class in each image, (I, C) each.

    Args:
        right: Pixels of a class that are predicted to be of it.
        predicted: Pixels that are predicted to be of a class.
        truth: Pixels that are annotated as a class.
        counted: Pixels that count, whatever their label, (I,).
        nan: What IoUMetric takes instead of NaN, its ``nan_to_num``; None: leaves classes without pixels out of means.
    """

    right: np.ndarray
    predicted: np.ndarray
    truth: np.ndarray
    counted: np.ndarray
    nan: float | None = None

    @classmethod
    def of(cls, confusions: Iterable[np.ndarray], classes: int, nan: float | None = None) -> PixelAreas:
        """The areas of images by their confusion matrices.

        Args:
            confusions: Matrix of each image, as of `pixel_confusion`.
            classes: Number of classes.
            nan: What is taken instead of NaN, or None.
        """
        rows = [(np.diag(one)[:-1], one.sum(axis=0)[:-1], one.sum(axis=1)[:-1], one.sum()) for one in confusions]
        right, predicted, truth = (np.array([row[k] for row in rows], np.int64).reshape(-1, classes) for k in range(3))
        return cls(right, predicted, truth, np.array([row[3] for row in rows], np.int64), nan)

    def by_class(self, weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """IoU, Acc (the recall), precision and Dice of each class from 0 to 1, (C,); NaN where undefined.

        Args:
            weights: How often each image counts, (I,); None: each once.
        """
        right, predicted, truth = self._sums(weights)
        with np.errstate(invalid='ignore', divide='ignore'):
            found = dict(
                IoU=right / (predicted + truth - right),
                Acc=right / truth,
                precision=right / predicted,
                Dice=2 * right / (predicted + truth),
            )
        if self.nan is not None:
            found = {name: np.nan_to_num(values, nan=self.nan) for name, values in found.items()}
        return found

    def means(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """mIoU, mAcc and aAcc, the share of all pixels that is right, from 0 to 1; NaN where undefined.

        Args:
            weights: How often each image counts, (I,); None: each once.
        """
        values = self.by_class(weights)
        right, _, truth = (torch.from_numpy(sums) for sums in self._sums(weights))  # adds up as mmseg does
        whole = float(right.sum() / truth.sum())
        if self.nan is not None:
            whole = float(np.nan_to_num(whole, nan=self.nan))
        return dict(mIoU=_mean(values['IoU']), mAcc=_mean(values['Acc']), aAcc=whole)

    @cached_property
    def _floats(self) -> tuple[np.ndarray, ...]:
        """Right, predicted and truth for products of matrices, which are fast of floating-point numbers alone."""
        return tuple(values.astype(float) for values in (self.right, self.predicted, self.truth))

    def _sums(self, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        areas = (self.right, self.predicted, self.truth)
        if weights is not None:
            right, predicted, truth = (weights @ values for values in self._floats)
        elif len(self.right):
            # In float32 and one image after the other, as IoUMetric adds them: of many images the last digits depend
            # on it.
            right, predicted, truth = (np.cumsum(values.astype(np.float32), axis=0)[-1] for values in areas)
        else:
            right, predicted, truth = (np.zeros(values.shape[1], np.float32) for values in areas)
        return right, predicted, truth


def _mean(values: np.ndarray) -> float:
    return float('nan') if np.isnan(values).all() else float(np.nanmean(values))
