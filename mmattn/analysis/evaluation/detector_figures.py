"""All figures of a detector's predictions: AP by class, kinds of errors, confusion, calibration, sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mmattn.analysis.runs.metrics import COLUMNS, ROWS

from .box_matches import IOU, Matches, match_boxes
from .calibration import Calibration, calibrate
from .coco_evaluator import evaluated, library_of
from .coco_figures import figures_of
from .confusion import Pairing, detector_confusion, pair
from .error_kinds import ErrorKinds, error_kinds
from .precision_recall import Threshold
from .size_bins import SizeBin, size_bins

AR = 'AR'
# Threshold of classes of which nothing is found, so that no score is best.
THRESHOLD = 0.5


@dataclass(frozen=True)
class DetectorFigures:
    """Figures of a detector; those of errors, confusion, calibration and thresholds are of its boxes.

    Args:
        library: What computed the average precisions, 'hotcoco' or 'pycocotools'.
        detections: Limit of the number of detections in an image that AR is of.
        overall: AP, AP50, AP75, AP_S, AP_M, AP_L and AR from 0 to 1 by 'box' and 'mask'; None where undefined.
        by_class: The same by 'box' and 'mask', then by class.
        curves: By 'box' and 'mask', the precision of each class at an IoU of 0.5 and 101 recalls, (classes, 101); NaN
            for a class without objects.
        sizes: AP by size of the objects, by 'box' and 'mask'.
        matches: Detections matched with the objects.
        best: Score with the best F1 of each class, None where nothing is found.
        thresholds: Score from which on detections of each class are kept for confusion and pictures.
        pairing: Objects paired with the detections that are kept.
        confusion: Numbers by true and predicted class, see
            `mmattn.analysis.evaluation.confusion.detector_confusion`.
        kinds: Errors by their kinds.
        calibration: Scores of all detections compared with the share of them that is right.
    """

    library: str
    detections: int
    overall: dict[str, dict[str, float | None]]
    by_class: dict[str, dict[str, dict[str, float | None]]]
    curves: dict[str, np.ndarray]
    sizes: dict[str, list[SizeBin]]
    matches: Matches
    best: list[Threshold | None]
    thresholds: list[float]
    pairing: Pairing
    confusion: np.ndarray
    kinds: ErrorKinds
    calibration: Calibration


def detector_figures(predictions: Mapping) -> DetectorFigures:
    """Computes the figures of a detector.

    Args:
        predictions: Predictions of a detector, as
            `mmattn.analysis.evaluation.checkpoint_predictions.predict` returns them.

    Raises:
        UserError: pycocotools is not installed, or the annotations do not belong to the predictions.
    """
    overall, by_class, curves, sizes = {}, {}, {}, {}
    library, limit = '', 0
    matches = match_boxes(predictions)
    for row, kind in ROWS.items():
        if kind not in predictions['results']:
            continue
        settings = predictions['settings'][kind]
        limits = sorted(settings['max_detections'])
        evaluator = evaluated(
            predictions['annotations'],
            predictions['results'][kind],
            kind,
            predictions['images'],
            predictions['categories'],
            limits,
            settings['ious'],
        )
        library, limit = library_of(evaluator), limits[-1]
        figures = figures_of(evaluator)
        overall[row] = _row(figures, f'{kind}_', limit)
        by_class[row] = {name: _row(values, '', limit) for name, values in _classes(figures, kind, matches)}
        curves[row] = _curves(evaluator)
        sizes[row] = size_bins(predictions, matches.objects, kind)
    best = matches.thresholds()
    thresholds = [THRESHOLD if one is None else one.score for one in best]
    pairing = pair(matches, thresholds)
    counted = ~matches.ignored
    return DetectorFigures(
        library,
        limit,
        overall,
        by_class,
        curves,
        sizes,
        matches,
        best,
        thresholds,
        pairing,
        detector_confusion(matches, pairing),
        error_kinds(matches),
        calibrate(matches.score[counted], matches.right[counted]),
    )


def _row(values: Mapping[str, float], prefix: str, limit: int) -> dict[str, float | None]:
    names = {**COLUMNS, AR: f'AR@{limit}'}
    found = {column: values.get(f'{prefix}{name}') for column, name in names.items()}
    return {
        column: None if value is None or math.isnan(value) or value < 0 else float(value)
        for column, value in found.items()
    }


def _classes(figures: Mapping, kind: str, matches: Matches):
    """Figures by class; where two classes have one name, COCO's figures are of the last."""
    return ((name, figures[f'{kind}_classwise'][name]) for name in matches.classes)


def _curves(evaluator) -> np.ndarray:
    ious, precision = np.asarray(evaluator.params.iouThrs), np.asarray(evaluator.eval['precision'])
    row = np.flatnonzero(np.isclose(ious, IOU))
    if not len(row):
        return np.full((precision.shape[2], precision.shape[1]), np.nan)
    found = precision[row[0], :, :, 0, -1].T
    return np.where(found < 0, np.nan, found)
