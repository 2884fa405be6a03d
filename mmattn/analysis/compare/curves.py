"""The charts of a comparison: learning curves, and precision against recall."""
from __future__ import annotations

import numpy as np

from .charts import Chart, Line, thinned
from .comparison import Comparison
from .metrics import LEARNED, in_percent


def learning_curves(comparison: Comparison) -> list[Chart]:
    """Training loss over iterations, and each main metric over the validations."""
    runs = [(i, run) for i, run in enumerate(comparison.runs) if run.history]
    if not runs:
        return []
    charts = [Chart('Training loss', 'iteration', 'loss', [
        Line(i, run.name, *thinned(run.history.iterations, run.history.losses)) for i, run in runs])]
    by_epoch = all(v.epoch is not None for _, run in runs for v in run.history.validations)
    for metric in LEARNED:
        lines = []
        for i, run in runs:
            points = [(v.epoch if by_epoch else v.iteration, in_percent(v.metrics).get(metric))
                      for v in run.history.validations]
            points = np.array([point for point in points if point[1] is not None], float)
            if len(points):
                lines.append(Line(i, run.name, points[:, 0], points[:, 1], dots=True))
        if lines:
            charts.append(Chart(f'{metric} on the validation images', 'epoch' if by_epoch else 'iteration',
                                f'{metric}, %', lines))
    return charts


def precision_recall_curves(comparison: Comparison) -> list[Chart]:
    """Precision against recall, averaged over classes, for the runs with predictions."""
    lines = {}
    for i, run in enumerate(comparison.runs):
        for title, (recall, precision) in (run.evaluation.curves() if run.evaluation else {}).items():
            lines.setdefault(title, []).append(Line(i, run.name, recall, precision))
    return [Chart(title, 'recall', 'precision', found, 1, 1) for title, found in lines.items()]
