"""A detector's figures as the content of metrics.json and of the CSV files."""

from __future__ import annotations

import numpy as np

from mmattn.analysis.evaluation.confusion import BACKGROUND, MISSED
from mmattn.analysis.evaluation.detector_figures import AR, DetectorFigures
from mmattn.analysis.evaluation.error_kinds import KINDS
from mmattn.analysis.evaluation.precision_recall import RECALLS
from mmattn.analysis.runs.metrics import COLUMNS

from .calibration_section import FILE as CALIBRATION_FILE
from .calibration_section import calibration_metrics, calibration_rows
from .confusion_table import FILE as CONFUSION_FILE
from .confusion_table import confusion_metrics, confusion_rows
from .mistakes import Mistakes


def confusion_names(figures: DetectorFigures) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the rows and of the columns of a detector's confusion matrix."""
    classes = figures.matches.classes
    return (*classes, BACKGROUND), (*classes, MISSED)


def detector_metrics(figures: DetectorFigures, mistakes: Mistakes, doubtful: np.ndarray) -> dict[str, object]:
    """Content of metrics.json.

    Args:
        figures: Figures of the detector.
        mistakes: Numbers of mistakes in each image.
        doubtful: Indices of the detections that may show an object without annotation.
    """
    matches = figures.matches
    return dict(
        kind='detector',
        images=len(matches.images),
        objects=matches.count(),
        detections=len(matches),
        evaluated_by=figures.library,
        detections_for_AR=figures.detections,
        average_precision=figures.overall,
        by_class={
            row: {
                name: dict(objects=matches.count(label), **classes[name]) for label, name in enumerate(matches.classes)
            }
            for row, classes in figures.by_class.items()
        },
        thresholds={
            name: best and dict(score=best.score, precision=best.precision, recall=best.recall, F1=best.f1)
            for name, best in zip(matches.classes, figures.best, strict=True)
        },
        errors=dict(AP50=figures.kinds.ap, cost=figures.kinds.cost, number=figures.kinds.number),
        confusion=confusion_metrics(figures.confusion, *confusion_names(figures)),
        calibration=calibration_metrics(figures.calibration),
        sizes={
            row: [dict(low_px=one.low, high_px=one.high, objects=one.objects, AP=one.ap, AP50=one.ap50) for one in bins]
            for row, bins in figures.sizes.items()
        },
        mistakes=dict(
            right=int(mistakes.right.sum()),
            missed=int(mistakes.missed.sum()),
            false_detections=int(mistakes.false.sum()),
            wrong_classes=int(mistakes.wrong.sum()),
        ),
        suspected_label_errors=len(doubtful),
    )


def detector_tables(figures: DetectorFigures, mistakes: Mistakes, doubtful: np.ndarray) -> dict[str, list[list]]:
    """Rows of the CSV files by their names; see `detector_metrics`."""
    matches, kinds = figures.matches, figures.kinds
    measured = (*COLUMNS, AR)
    return {
        'by_class.csv': [
            ['class', 'of', 'objects', *measured, 'best threshold', 'precision', 'recall', 'F1'],
            *(
                [
                    name,
                    row,
                    matches.count(label),
                    *(classes[name][column] for column in measured),
                    *(
                        [best.score, best.precision, best.recall, best.f1]
                        if best and row == next(iter(figures.by_class))
                        else [None] * 4
                    ),
                ]
                for row, classes in figures.by_class.items()
                for label, (name, best) in enumerate(zip(matches.classes, figures.best, strict=True))
            ),
        ],
        'errors.csv': [
            ['kind', 'errors', 'cost in AP50'],
            *([name, kinds.number[name], kinds.cost[name]] for name in KINDS),
        ],
        CONFUSION_FILE: confusion_rows(figures.confusion, *confusion_names(figures)),
        'precision_recall.csv': [
            ['class', 'of', *(f'{recall:.2f}' for recall in RECALLS)],
            *(
                [name, row, *(None if np.isnan(value) else float(value) for value in curve)]
                for row, curves in figures.curves.items()
                for name, curve in zip(matches.classes, curves, strict=True)
            ),
        ],
        CALIBRATION_FILE: calibration_rows(figures.calibration),
        'sizes.csv': [
            ['of', 'least size, px', 'largest size, px', 'objects', 'AP', 'AP50'],
            *(
                [row, one.low, one.high, one.objects, one.ap, one.ap50]
                for row, bins in figures.sizes.items()
                for one in bins
            ),
        ],
        'images.csv': [
            ['image', 'right', 'missed', 'false detections', 'wrong classes'],
            *(
                [
                    name,
                    *(
                        int(numbers[index])
                        for numbers in (mistakes.right, mistakes.missed, mistakes.false, mistakes.wrong)
                    ),
                ]
                for index, name in enumerate(matches.names)
            ),
        ],
        'label_errors.csv': [
            ['image', 'class', 'score', 'x', 'y', 'width', 'height'],
            *(
                [
                    matches.names[matches.image[d]],
                    matches.classes[matches.label[d]],
                    float(matches.score[d]),
                    *map(float, matches.box[d]),
                ]
                for d in doubtful
            ),
        ],
    }
