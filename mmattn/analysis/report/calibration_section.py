"""Calibration as a section of a page, as JSON, and as CSV rows."""

from __future__ import annotations

from mmattn.analysis.evaluation.calibration import Calibration
from mmattn.analysis.page import Cell, Section, Table, TableRow

from .charts import reliability
from .content import number

FILE = 'calibration.csv'


def calibration_section(calibration: Calibration, what: str) -> Section:
    """Chart and table of the bins.

    Args:
        calibration: Scores compared with the share that is right.
        what: What is right or wrong, in the plural: 'detections', 'images'.
    """
    edges = calibration.edges
    rows = tuple(
        TableRow(
            f'{edges[b]:.1f} – {edges[b + 1]:.1f}',
            (Cell(f'{calibration.count[b]:,}'), number(calibration.score[b], 3), number(calibration.right[b], 3)),
        )
        for b in range(len(calibration.count))
    )
    return Section(
        'Calibration of the scores',
        (
            f'Expected calibration error: {100 * calibration.error:.1f} % (Guo et al. 2017), over all {what}. '
            f'Where bars end below the dashed line, the scores are higher than the share of {what} that is right; a '
            'dot is at the mean score of its bar.',
        ),
        pictures=(reliability('Share that is right by score', calibration),),
        table=Table('', '', ('score', what, 'mean score', 'share right'), rows),
        files=(FILE,),
        beside=True,
    )


def calibration_metrics(calibration: Calibration) -> dict[str, object]:
    """The same for metrics.json."""
    return dict(
        expected_calibration_error=calibration.error,
        bins=[
            dict(zip(('low', 'high', 'count', 'mean_score', 'share_right'), row, strict=True))
            for row in calibration_rows(calibration)[1:]
        ],
    )


def calibration_rows(calibration: Calibration) -> list[list]:
    """The same for a CSV file."""
    edges = calibration.edges
    return [
        ['low', 'high', 'count', 'mean score', 'share right'],
        *(
            [
                float(edges[b]),
                float(edges[b + 1]),
                int(calibration.count[b]),
                *(
                    float(value) if calibration.count[b] else None
                    for value in (calibration.score[b], calibration.right[b])
                ),
            ]
            for b in range(len(calibration.count))
        ),
    ]
