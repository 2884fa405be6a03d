"""A segmentor's figures as the content of metrics.json and of the CSV files."""

from __future__ import annotations

import numpy as np

from mmattn.analysis.evaluation.pixels import BORDER
from mmattn.analysis.evaluation.segmentor_figures import SegmentorFigures

from .calibration_section import FILE as CALIBRATION_FILE
from .calibration_section import calibration_metrics, calibration_rows
from .confusion_table import FILE as CONFUSION_FILE
from .confusion_table import confusion_metrics, confusion_rows
from .content import MOST_ROWS

MEASURES = ('IoU', 'Acc', 'precision', 'Dice')


def segmentor_metrics(figures: SegmentorFigures) -> dict[str, object]:
    """Content of metrics.json, with shares from 0 to 1.

    Args:
        figures: Figures of the segmentor.
    """
    near, near_wrong = figures.near
    return dict(
        kind='segmentor',
        images=len(figures.names),
        pixels=int(figures.areas.counted.sum()),
        **figures.means,
        by_class=figures.by_class,
        confusion=confusion_metrics(figures.confusion, figures.rows, figures.rows),
        calibration=calibration_metrics(figures.calibration),
        suspected_label_errors=len(figures.doubtful),
        borders=dict(distance_px=BORDER, pixels=near, wrong=near_wrong),
        wrong=int((figures.areas.counted - figures.areas.right.sum(axis=1)).sum()),
    )


def segmentor_tables(figures: SegmentorFigures) -> dict[str, list[list]]:
    """Rows of the CSV files by their names; see `segmentor_metrics`."""
    ious, means = figures.image_ious(), figures.image_means()
    # Of very many classes hardly any is in an image.
    columns = figures.classes if len(figures.classes) <= MOST_ROWS else ()
    return {
        'by_class.csv': [
            ['class', 'pixels', 'predicted pixels', *MEASURES],
            *(
                [name, values['pixels'], values['predicted'], *(values[measure] for measure in MEASURES)]
                for name, values in figures.by_class.items()
            ),
        ],
        CONFUSION_FILE: confusion_rows(figures.confusion, figures.rows, figures.rows),
        CALIBRATION_FILE: calibration_rows(figures.calibration),
        'images.csv': [
            ['image', 'mean IoU of its classes', 'share of wrong pixels', *(f'IoU of {name}' for name in columns)],
            *(
                [name, _known(means[index]), _known(figures.wrong[index]), *map(_known, ious[index, : len(columns)])]
                for index, name in enumerate(figures.names)
            ),
        ],
        'label_errors.csv': [
            ['image', 'class', 'predicted', 'score', 'pixels', 'x', 'y', 'width', 'height'],
            *(
                [
                    figures.names[one.image],
                    figures.classes[one.truth],
                    figures.classes[one.predicted],
                    one.score,
                    one.pixels,
                    *one.box,
                ]
                for one in figures.doubtful
            ),
        ],
    }


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
