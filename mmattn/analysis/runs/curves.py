"""Loss and AP of a training over time, as a picture."""
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmattn.analysis.runs.history import History
from mmattn.analysis.runs.metrics import average_precisions
from mmattn.files import atomic_path

COLORS = {'box': 'tab:blue', 'mask': 'tab:orange'}


def draw_curves(history: History, path: str | Path) -> None:
    """Writes a picture of the loss over iterations beside box and mask AP over epochs."""
    # A figure of its own rather than pyplot's, whose state and backend belong to the caller.
    with matplotlib.rc_context({'font.size': 12}):
        figure = Figure(figsize=(12, 4.5), layout='constrained')
        canvas = FigureCanvasAgg(figure)
        loss, precision = figure.subplots(1, 2)
        _draw_loss(loss, history)
        _draw_precision(precision, history)
        with atomic_path(path) as temporary:
            canvas.print_png(temporary, metadata={'Software': None})


def smooth(values: list[float], weight: float = 0.6) -> np.ndarray:
    """Exponential moving average in which the first values weigh no more than the others."""
    average, norm, smoothed = 0.0, 0.0, []
    for value in values:
        average = weight * average + (1 - weight) * value
        norm = weight * norm + (1 - weight)
        smoothed.append(average / norm)
    return np.array(smoothed)


def _draw_loss(axes, history: History) -> None:
    axes.plot(history.iterations, history.losses, color='tab:gray', alpha=0.5, linewidth=1,
              marker='.', markersize=4, label='as logged')
    axes.plot(history.iterations, smooth(history.losses), color='tab:red', linewidth=2,
              label='smoothed')
    axes.set(title='Training loss', xlabel='iteration', ylabel='total loss', xlim=(0, None),
             ylim=(0, None))
    axes.legend()
    axes.grid(alpha=0.3)


def _draw_precision(axes, history: History) -> None:
    by_epoch = all(validation.epoch is not None for validation in history.validations)
    tables = [average_precisions(validation.metrics) for validation in history.validations]
    for row, color in COLORS.items():
        for column, style in (('AP50', '--'), ('AP', '-')):
            points = [(validation.epoch if by_epoch else validation.iteration, table[row][column])
                      for validation, table in zip(history.validations, tables, strict=True)
                      if row in table and table[row][column] is not None]
            if points:
                axes.plot(*zip(*points, strict=True), style, color=color, marker='o',
                          markersize=4, label=f'{row} {column}')
    axes.set(title='COCO AP on the validation images',
             xlabel='epoch' if by_epoch else 'iteration', ylabel='AP', xlim=(0, None),
             ylim=(0, None))
    axes.xaxis.get_major_locator().set_params(integer=True)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
    axes.grid(alpha=0.3)
