"""Mistakes of a detector in single images: missed objects, false detections, wrong classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmattn.analysis.evaluation.box_matches import NONE
from mmattn.analysis.evaluation.detector_figures import DetectorFigures

RIGHT, MISSED, FALSE, WRONG = 'right', 'missed', 'false detection', 'wrong class'


@dataclass(frozen=True)
class Mistakes:
    """Numbers of what is right and wrong in each image, at the best threshold of each class.

    Args:
        right: Objects found with the right class, (I,).
        missed: Objects that no detection found, (I,).
        false: Detections where no object is, or another detection found it, (I,).
        wrong: Objects found with a wrong class, (I,).
    """

    right: np.ndarray
    missed: np.ndarray
    false: np.ndarray
    wrong: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """Number of mistakes in each image, (I,)."""
        return self.missed + self.false + self.wrong

    def worst(self, count: int) -> list[int]:
        """Indices of the images with the most mistakes; of equal ones, those with less that is right come first.

        Args:
            count: Number of images at most; images without mistakes are left out.
        """
        order = np.lexsort((self.right, -self.total))
        return [int(index) for index in order[:count] if self.total[index]]


def count_mistakes(figures: DetectorFigures) -> Mistakes:
    """Counts the mistakes in each image.

    Args:
        figures: Figures of a detector.
    """
    matches, images = figures.matches, len(figures.matches.images)
    kind = kinds_of_detections(figures)

    def numbers(name: str) -> np.ndarray:
        return np.bincount(matches.image[kind == name], minlength=images)

    return Mistakes(
        numbers(RIGHT),
        np.bincount(matches.objects.image[figures.pairing.missed], minlength=images),
        numbers(FALSE),
        numbers(WRONG),
    )


def kinds_of_detections(figures: DetectorFigures) -> np.ndarray:
    """What each detection is: 'right', 'false detection', 'wrong class', or '' for one below the threshold, (D,).

    Args:
        figures: Figures of a detector.
    """
    matches, pairing = figures.matches, figures.pairing
    kind = np.where(pairing.kept, FALSE, '').astype(object)
    paired = np.flatnonzero(pairing.partner != NONE)
    alike = matches.objects.label[pairing.partner[paired]] == matches.label[paired]
    kind[paired] = np.where(alike, RIGHT, WRONG)
    return kind
