"""Charts of a report as SVG: precision over recall, calibration, bars."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmattn.analysis.charts import COLORS, TEXT, new_figure, series_style, style, to_svg
from mmattn.analysis.evaluation.calibration import Calibration
from mmattn.analysis.evaluation.precision_recall import RECALLS
from mmattn.analysis.page import Picture


@style()
def precision_recall(title: str, curves: Sequence[tuple[str, np.ndarray]]) -> Picture:
    """Precision over recall, a line for each class in the colour of the page's series.

    Args:
        title: Heading of the picture.
        curves: Name and precision at COCO's 101 recalls, (101,), of each class, in order of the series.
    """
    figure = new_figure(4.3, 3.1)
    axes = figure.subplots()
    for number, (_, precision) in enumerate(curves):
        axes.plot(RECALLS, precision, **series_style(number))
    axes.set(xlabel='recall', ylabel='precision', xlim=(0, 1.01), ylim=(0, 1.03))
    axes.grid()
    names = ', '.join(name for name, _ in curves)
    return Picture(title, '', to_svg(figure, _prefix(title), f'{title}: {names}'))


@style()
def reliability(title: str, calibration: Calibration) -> Picture:
    """Share of right predictions over their score, bars beside the diagonal on which they should end.

    Args:
        title: Heading of the picture.
        calibration: Scores compared with the share that is right.
    """
    figure = new_figure(4.3, 3.1)
    axes = figure.subplots()
    edges, used = calibration.edges, calibration.count > 0
    axes.bar(
        edges[:-1][used],
        calibration.right[used],
        np.diff(edges)[used] * 0.92,
        align='edge',
        color=COLORS[0],
        alpha=0.75,
    )
    axes.plot([0, 1], [0, 1], color=TEXT, linestyle=(0, (4, 2)), linewidth=1.2)
    axes.plot(calibration.score[used], calibration.right[used], 'o', color=COLORS[1], markersize=5)
    axes.set(xlabel='score', ylabel='share that is right', xlim=(0, 1), ylim=(0, 1.03))
    axes.grid(axis='y')
    return Picture(title, '', to_svg(figure, _prefix(title), title))


@style()
def bars(
    title: str, x_label: str, names: Sequence[str], values: Sequence[float], limit: float | None = None
) -> Picture:
    """Horizontal bars with their values.

    Args:
        title: Heading of the picture.
        x_label: What the values are.
        names: Name of each bar, from the top on.
        values: Length of each bar; NaN for none.
        limit: End of the axis; None: a little beyond the longest bar.
    """
    figure = new_figure(4.3, 0.9 + 0.26 * len(names))
    axes = figure.subplots()
    places, lengths = np.arange(len(names)), np.asarray(values, float)
    axes.barh(places, np.nan_to_num(lengths), 0.7, color=COLORS[0], alpha=0.85)
    longest = limit or 1.22 * max([0.01, *np.nan_to_num(lengths)])
    for place, value in enumerate(lengths.tolist()):
        axes.text(
            max(np.nan_to_num(value), 0) + 0.012 * longest,
            place,
            '–' if np.isnan(value) else f'{value:.1f}',
            va='center',
            fontsize=9,
        )
    axes.set(xlabel=x_label, xlim=(min([0, *np.nan_to_num(lengths)]), longest))
    axes.set_yticks(places, names)
    axes.set_ylim(len(names) - 0.4, -0.6)  # the first at the top
    axes.spines['left'].set_visible(False)
    return Picture(title, '', to_svg(figure, _prefix(title), title))


def _prefix(title: str) -> str:
    return ''.join(letter if letter.isalnum() else '-' for letter in title)
