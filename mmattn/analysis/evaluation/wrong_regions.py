"""Regions of an image where a segmentor is sure of another class than is annotated, which may be annotated wrongly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .label_errors import LEAST_SCORE
from .pixels import BORDER

# Least share of the image's pixels that a region has, and regions of an image that are kept at most.
SMALLEST, MOST = 0.0005, 20


@dataclass(frozen=True)
class WrongRegion:
    """Connected pixels that are annotated as one class and predicted to be of another.

    Args:
        image: Place of the image in the data set.
        truth: Annotated label.
        predicted: Predicted label.
        pixels: Number of pixels.
        score: Mean score of the pixels from 0 to 1.
        box: x, y, width, height in pixels.
    """

    image: int
    truth: int
    predicted: int
    pixels: int
    score: float
    box: tuple[int, int, int, int]

    def as_list(self) -> list:
        """The region as it is kept, by which `of` makes it again."""
        return [self.image, self.truth, self.predicted, self.pixels, self.score, *self.box]

    @classmethod
    def of(cls, values: Sequence) -> WrongRegion:
        """The region of a list, as of `as_list`."""
        image, truth, predicted, pixels, score, x, y, width, height = values
        return cls(image, truth, predicted, pixels, score, (x, y, width, height))


def wrong_regions(
    image: int, truth: np.ndarray, predicted: np.ndarray, scores: np.ndarray, classes: int, ignored: int
) -> list[WrongRegion]:
    """The largest wrong regions of an image, without thin ones, as an outline that is a little off gives.

    Args:
        image: Place of the image in the data set.
        truth: Annotated labels, (H, W).
        predicted: Predicted labels, (H, W).
        scores: Score of the predicted class of each pixel, from 0 to 1, (H, W).
        classes: Number of classes.
        ignored: Label of the pixels that do not count.
    """
    wrong = (truth != predicted) & (truth != ignored) & (truth < classes) & (predicted < classes)
    pairs = np.where(wrong, truth * classes + predicted, -1)
    least = SMALLEST * truth.size
    values, numbers = np.unique(pairs[wrong], return_counts=True)
    found = []
    for pair in values[numbers >= least].tolist():
        mask = (pairs == pair).astype(np.uint8)
        count, owner, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
        # A border of nothing, so that what the border of the image cuts is not thick for that.
        inwards = cv2.distanceTransform(cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_L2, 3)
        for index in range(1, count):
            x, y, width, height, pixels = stats[index].tolist()
            if pixels < least:
                continue
            window = np.s_[y : y + height, x : x + width]
            own = owner[window] == index
            if inwards[1:-1, 1:-1][window][own].max() > BORDER:
                score = float(scores[window][own].mean())
                annotated, instead = divmod(pair, classes)
                found.append(WrongRegion(image, annotated, instead, pixels, score, (x, y, width, height)))
    return sorted(found, key=lambda one: -one.pixels)[:MOST]


def suspected(regions: Sequence[WrongRegion], usual: np.ndarray) -> list[WrongRegion]:
    """The regions that may be annotated wrongly, the largest first.

    As in confident learning (Northcutt et al. 2021, arXiv:1911.00068), the predicted class has a score at least as high
    as it has on average in the pixels that are right, and at least 0.5.

    Args:
        regions: Wrong regions.
        usual: Mean score of each class in the pixels that are right, NaN where there are none, (C,).
    """
    limits = np.maximum(np.nan_to_num(usual, nan=1), LEAST_SCORE)
    found = [one for one in regions if one.score >= limits[one.predicted]]
    return sorted(found, key=lambda one: -one.pixels)
