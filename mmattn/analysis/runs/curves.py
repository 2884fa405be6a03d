"""Loss and AP, or mIoU, of a training over time, as a picture."""

from pathlib import Path

import numpy as np

from mmattn.analysis.charts import COLORS, TEXT, new_figure, save_png, style
from mmattn.analysis.runs.history import History, counted_in
from mmattn.analysis.runs.metrics import PIXELS, average_precisions, pixel_means

ROW_COLORS = {'box': COLORS[0], 'mask': COLORS[1]}


@style()
def draw_curves(history: History, path: str | Path) -> None:
    """Writes a PNG picture of the loss over iterations beside box and mask AP, or mIoU, over epochs or iterations.

    Args:
        history: Losses and validations of the training.
        path: Path of the picture.
    """
    figure = new_figure(10, 3.75)
    loss, precision = figure.subplots(1, 2)
    _draw_loss(loss, history)
    if any(pixel_means(validation.metrics) for validation in history.validations):
        _draw_pixels(precision, history)
    else:
        _draw_precision(precision, history)
    save_png(figure, path, dpi=120)


def smooth(values: list[float], weight: float = 0.6) -> np.ndarray:
    """The exponential moving average of values, in which the first ones do not count more than the others.

    Args:
        values: Values to smooth.
        weight: Weight of the past values, from 0 to 1.
    """
    average, norm, smoothed = 0.0, 0.0, []
    for value in values:
        average = weight * average + (1 - weight) * value
        norm = weight * norm + (1 - weight)
        smoothed.append(average / norm)
    return np.array(smoothed)


def _draw_loss(axes, history: History) -> None:
    axes.plot(
        history.iterations,
        history.losses,
        color=TEXT,
        alpha=0.5,
        linewidth=1,
        marker='.',
        markersize=4,
        label='as logged',
    )
    axes.plot(history.iterations, smooth(history.losses), color=COLORS[1], label='smoothed')
    axes.set(title='Training loss', xlabel='iteration', ylabel='total loss', xlim=(0, None), ylim=(0, None))
    axes.legend()
    axes.grid(axis='y')


def _draw_precision(axes, history: History) -> None:
    unit = counted_in(history.validations)
    tables = [average_precisions(validation.metrics) for validation in history.validations]
    for row, color in ROW_COLORS.items():
        for column, stroke in (('AP50', '--'), ('AP', '-')):
            points = [
                (getattr(validation, unit), table[row][column])
                for validation, table in zip(history.validations, tables, strict=True)
                if row in table and table[row][column] is not None
            ]
            if points:
                axes.plot(*zip(*points, strict=True), stroke, color=color, marker='o', label=f'{row} {column}')
    axes.set(title='COCO AP on the validation images', xlabel=unit, ylabel='AP', xlim=(0, None), ylim=(0, None))
    _finish(axes)


def _draw_pixels(axes, history: History) -> None:
    unit = counted_in(history.validations)
    tables = [pixel_means(validation.metrics) for validation in history.validations]
    for name, color in zip(PIXELS, COLORS, strict=False):
        points = [
            (getattr(validation, unit), 100 * table[name])
            for validation, table in zip(history.validations, tables, strict=True)
            if name in table
        ]
        if points:
            axes.plot(*zip(*points, strict=True), color=color, marker='o', label=name)
    axes.set(title='Classes of pixels on the validation images', xlabel=unit, ylabel='%', xlim=(0, None), ylim=(0, 100))
    _finish(axes)


def _finish(axes) -> None:
    axes.xaxis.get_major_locator().set_params(integer=True)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
    axes.grid(axis='y')
