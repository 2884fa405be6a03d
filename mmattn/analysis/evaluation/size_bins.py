"""AP by the size of the objects, in bins with equal numbers of objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .box_matches import Objects
from .coco_evaluator import LIMIT_OF_AP, evaluated

BINS, MOST = 10, 1e10


@dataclass(frozen=True)
class SizeBin:
    """Objects of about one size.

    Args:
        low: Least size in the bin in pixels: the side of a square with the area of the object.
        high: Largest size in the bin in pixels.
        objects: Number of the objects.
        ap: AP over IoU 0.5 … 0.95, averaged over the classes that have such objects, from 0 to 1.
        ap50: AP at an IoU of 0.5.
    """

    low: float
    high: float
    objects: int
    ap: float
    ap50: float


def size_bins(predictions: Mapping, objects: Objects, kind: str = 'bbox') -> list[SizeBin]:
    """AP of the objects of each size; fewer bins where there are fewer sizes.

    Args:
        predictions: Predictions of a detector, as
            `mmattn.analysis.evaluation.checkpoint_predictions.predict` returns them.
        objects: The annotated objects.
        kind: Kind of the predictions, 'bbox' or 'segm'.
    """
    area = np.sort(objects.area[~objects.ignored])
    if not len(area):
        return []
    # Between two neighbours, so that no object is in two bins, as one on a border would be.
    ends = sorted(
        {
            int(np.searchsorted(area, area[cut - 1], side='right'))
            for cut in np.linspace(0, len(area), min(BINS, len(area)) + 1).round().astype(int)[1:]
        }
    )
    borders = [0.0, *((area[end - 1] + area[end]) / 2 for end in ends[:-1]), MOST]
    evaluator = evaluated(
        predictions['annotations'],
        predictions['results'][kind],
        kind,
        predictions['images'],
        predictions['categories'],
        (LIMIT_OF_AP,),
        areas=list(zip(borders, borders[1:])),
    )
    precision = np.asarray(evaluator.eval['precision'])  # (IoUs, recalls, classes, areas, limits)
    return [
        SizeBin(
            float(np.sqrt(area[start])),
            float(np.sqrt(area[end - 1])),
            end - start,
            _mean(precision[:, :, :, index, 0]),
            _mean(precision[0, :, :, index, 0]),
        )
        for index, (start, end) in enumerate(zip([0, *ends], ends))
    ]


def _mean(values: np.ndarray) -> float:
    values = values[values > -1]
    return float(values.mean()) if values.size else float('nan')
