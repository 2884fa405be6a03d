"""Line charts as SVG that stands in a page: it takes colours and fonts from the page's style, light or dark."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

# Units of the drawing; at this width the letters are readable on a phone.
WIDTH, HEIGHT = 400, 270
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 10, 40
MOST_POINTS = 160


@dataclass(frozen=True)
class Line:
    """One run's line.

    Args:
        run: its number, which is its colour.
        name: of the run.
        x, y: of the points, equally many; those that are not finite are left out.
        dots: whether to mark the points.
    """

    run: int
    name: str
    x: np.ndarray
    y: np.ndarray
    dots: bool = False


@dataclass(frozen=True)
class Chart:
    """Lines in one frame.

    Args:
        title: above it.
        x_label, y_label: of the axes.
        lines: of the runs.
        x_most, y_most: ends of the axes; None: what the lines reach.
    """

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    x_most: float | None = None
    y_most: float | None = None

    def svg(self) -> str:
        lines = [_finite(line) for line in self.lines]
        x_most = self.x_most or _most([line.x for line in lines])
        y_most = self.y_most or _most([line.y for line in lines]) * 1.04
        frame = _Frame(x_most, y_most)
        names = ', '.join(line.name for line in lines)
        parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(self.title)}: {escape(names)}">',
                 *frame.axes(self.x_label, self.y_label), *(frame.line(line) for line in lines), '</svg>']
        return ''.join(parts)


def thinned(x: Sequence[float], y: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """The means of at most :data:`MOST_POINTS` equal stretches, which also takes the noise out of long losses."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    count = min(len(x), MOST_POINTS)
    return tuple(np.array([part.mean() for part in np.array_split(values, count)]) for values in (x, y))


def ticks(most: float, about: int = 5) -> list[float]:
    """Round numbers from 0 to `most`: steps of 1, 2 or 5 times a power of ten."""
    rough = most / about
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    return [round(step * i, 12) for i in range(int(most / step + 1e-9) + 1)]


class _Frame:
    def __init__(self, x_most: float, y_most: float) -> None:
        self.x_most, self.y_most = x_most, y_most

    def point(self, x: float, y: float) -> tuple[float, float]:
        return (LEFT + (WIDTH - LEFT - RIGHT) * x / self.x_most,
                HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y / self.y_most)

    def axes(self, x_label: str, y_label: str) -> list[str]:
        left, bottom = self.point(0, 0)
        right, top = self.point(self.x_most, self.y_most)
        parts = []
        for value in ticks(self.y_most):
            y = self.point(0, value)[1]
            parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
                         f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
        for value in ticks(self.x_most):
            x = self.point(value, 0)[0]
            parts.append(f'<text x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{_short(value)}</text>')
        parts.append(f'<line class="axis" x1="{left}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
        parts.append(f'<text x="{(left + right) / 2}" y="{HEIGHT - 5}" text-anchor="middle">{escape(x_label)}</text>')
        middle = (top + bottom) / 2
        parts.append(f'<text x="11" y="{middle}" text-anchor="middle" transform="rotate(-90 11 {middle})">'
                     f'{escape(y_label)}</text>')
        return parts

    def line(self, line: Line) -> str:
        points = [self.point(x, y) for x, y in zip(line.x, line.y, strict=True)]
        path = ' '.join(f'{x:.1f},{y:.1f}' for x, y in points)
        parts = [f'<g class="run-{line.run}"><polyline points="{path}"/>']
        if line.dots:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{escape(line.name)}: {value:.1f} at {at:g}'
                      '</title></circle>' for (x, y), at, value in zip(points, line.x, line.y, strict=True)]
        return ''.join([*parts, '</g>'])


def _finite(line: Line) -> Line:
    x, y = np.asarray(line.x, float), np.asarray(line.y, float)
    good = np.isfinite(x) & np.isfinite(y)
    return Line(line.run, line.name, x[good], y[good], line.dots)


def _most(values: Sequence[np.ndarray]) -> float:
    return max((float(array.max()) for array in values if len(array)), default=0) or 1.0


def _short(value: float) -> str:
    return f'{value / 1000:g}k' if value >= 10_000 else f'{value:g}'
