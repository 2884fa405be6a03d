"""All figures of a segmentor's predictions: IoU by class, confusion of classes, single images, borders, scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mmattn.analysis.runs.class_colors import Color, class_colors

from .calibration import Calibration, calibration_of
from .pixels import PixelAreas, dense
from .wrong_regions import WrongRegion, suspected

BEYOND = 'no class'


@dataclass(frozen=True)
class SegmentorFigures:
    """Figures of a segmentor.

    Args:
        classes: Names of the classes.
        colors: RGB colours of the classes, from 0 to 255.
        names: File name of each image.
        ignored: Label of the pixels that do not count.
        areas: Numbers of pixels by class in each image.
        confusion: Numbers of pixels by annotated (rows) and predicted class (columns), (C, C), or (C + 1, C + 1) where
            there are labels beyond the classes, which are the last.
        wrong: Share of each image's pixels that is wrong, from 0 to 1, NaN where none count, (I,).
        near: Number of pixels near a border between annotated classes, and of those of them that are wrong.
        calibration: Scores of the pixels compared with the share of them that is right.
        doubtful: Regions that may be annotated wrongly, the largest first.
    """

    classes: tuple[str, ...]
    colors: tuple[Color, ...]
    names: tuple[str, ...]
    ignored: int
    areas: PixelAreas
    confusion: np.ndarray
    wrong: np.ndarray
    near: tuple[int, int]
    calibration: Calibration
    doubtful: tuple[WrongRegion, ...]

    @property
    def means(self) -> dict[str, float]:
        """mIoU, mAcc and aAcc from 0 to 1."""
        return self.areas.means()

    @property
    def by_class(self) -> dict[str, dict[str, float | None]]:
        """IoU, Acc, precision and Dice from 0 to 1 and numbers of pixels by class; None where undefined."""
        values = self.areas.by_class()
        truth, predicted = self.areas.truth.sum(axis=0), self.areas.predicted.sum(axis=0)
        return {
            name: dict(
                pixels=int(truth[index]),
                predicted=int(predicted[index]),
                **{
                    measure: None if np.isnan(column[index]) else float(column[index])
                    for measure, column in values.items()
                },
            )
            for index, name in enumerate(self.classes)
        }

    @property
    def rows(self) -> tuple[str, ...]:
        """Names of the rows and columns of the confusion matrix."""
        return self.classes if len(self.confusion) == len(self.classes) else (*self.classes, BEYOND)

    def image_ious(self) -> np.ndarray:
        """IoU of each class in each image from 0 to 1, NaN where the image has no annotated pixels of it, (I, C)."""
        areas = self.areas
        union = areas.predicted + areas.truth - areas.right
        return np.where(areas.truth > 0, areas.right / np.maximum(union, 1), np.nan)

    def image_means(self) -> np.ndarray:
        """Mean IoU of the annotated classes of each image, NaN where none is, (I,)."""
        ious = self.image_ious()
        known = ~np.isnan(ious)
        with np.errstate(invalid='ignore'):
            return np.nansum(ious, axis=1) / known.sum(axis=1)

    def worst(self) -> np.ndarray:
        """Indices of the images with wrong pixels, those with the lowest mean IoU first."""
        means = self.image_means()
        order = np.argsort(np.nan_to_num(means, nan=2), kind='stable')
        return order[np.nan_to_num(self.wrong)[order] > 0]


def segmentor_figures(predictions: Mapping) -> SegmentorFigures:
    """Computes the figures of a segmentor.

    Args:
        predictions: Predictions of a segmentor, as
            `mmattn.analysis.evaluation.checkpoint_predictions.predict` returns them.
    """
    classes = tuple(map(str, predictions['classes']))
    total = np.zeros((len(classes) + 1, len(classes) + 1), np.int64)
    for cells in predictions['confusion']:
        total += dense(cells, len(classes))
    areas = areas_of(predictions)
    with np.errstate(invalid='ignore'):
        wrong = 1 - areas.right.sum(axis=1) / areas.counted
        usual = np.divide(*np.array(predictions['usual'], float))
    regions = [WrongRegion.of(values) for values in predictions['regions']]
    near = np.array(predictions['borders'], int).reshape(-1, 2).sum(axis=0)
    beyond = total[-1].any() or total[:, -1].any()
    return SegmentorFigures(
        classes,
        class_colors(classes, predictions.get('palette')),
        tuple(predictions['images']),
        predictions['settings']['ignored'],
        areas,
        total if beyond else total[:-1, :-1],
        wrong,
        (int(near[0]), int(near[1])),
        calibration_of(np.array(predictions['bins'])),
        tuple(suspected(regions, usual)),
    )


def areas_of(predictions: Mapping) -> PixelAreas:
    """Numbers of pixels by class in each image.

    Args:
        predictions: Predictions of a segmentor, as `segmentor_figures` takes them.
    """
    count = len(predictions['classes'])
    matrices = (dense(cells, count) for cells in predictions['confusion'])
    return PixelAreas.of(matrices, count, predictions['settings']['nan'])
