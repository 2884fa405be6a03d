"""Charts of measurements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from matplotlib.axes import Axes

from mmattn.analysis.charts import COLORS, new_figure, save_png, style

from .printing import MIB, label, value_text

MODE_COLORS = {'infer': COLORS[0], 'train': COLORS[1]}


def draw_bars(rows: Sequence[dict], path: str | Path) -> None:
    """Bars of images per second, with their quartiles, beside bars of peak memory."""
    with _figure(path, (13, 1.5 + 0.4 * len(rows)), columns=2) as (speed, memory):
        names = [f'{label(row)}{_point(row)}, {row["mode"]}' for row in rows]
        places = range(len(rows))
        colors = [MODE_COLORS[row['mode']] for row in rows]
        rates = [row['images_per_second'] for row in rows]
        errors = [[r['median'] - r['low'] for r in rates], [r['high'] - r['median'] for r in rates]]
        speed.barh(places, [r['median'] for r in rates], xerr=errors, color=colors)
        speed.set(title='images per second', yticks=places, yticklabels=names)
        memory.barh(places, [(row['peak_memory_bytes'] or 0) / MIB for row in rows], color=colors)
        memory.set(title='peak memory over the loaded model, MiB', yticks=places, yticklabels=[])
        for axes in (speed, memory):
            axes.invert_yaxis()
            axes.grid(axis='x')


def draw_points(points: Sequence[tuple[float, float, str]], path: str | Path, title: str, x: str, y: str) -> None:
    """A point for each (x, y, name)."""
    with _figure(path, (9, 6)) as (axes,):
        for i, (x_value, y_value, name) in enumerate(points):
            axes.plot(x_value, y_value, 'o', color=COLORS[0])
            axes.annotate(
                name, (x_value, y_value), xytext=(5, 4 if i % 2 else -10), textcoords='offset points', fontsize=8
            )
        axes.set(title=title, xlabel=x, ylabel=y)
        axes.margins(0.15)
        axes.grid()


def draw_lines(lines: dict[str, list[tuple[float, float]]], path: str | Path, title: str, x: str, y: str) -> None:
    """A line for each name."""
    with _figure(path, (9, 6)) as (axes,):
        for name, points in lines.items():
            axes.plot(*zip(*sorted(points)), marker='o', label=name)
        axes.set(title=title, xlabel=x, ylabel=y, ylim=(0, None))
        axes.legend(fontsize=8)
        axes.grid()


def _point(row: dict) -> str:
    """What tells rows of --scaling apart."""
    return f', {row["axis"]} {value_text(row)}' if 'axis' in row else ''


@contextmanager
def _figure(path: str | Path, size: tuple[float, float], columns: int = 1) -> Iterator[Sequence[Axes]]:
    """Axes side by side, in a picture that is written at the end."""
    with style():
        figure = new_figure(*size)
        yield figure.subplots(1, columns, squeeze=False)[0]
        save_png(figure, path, dpi=100)
