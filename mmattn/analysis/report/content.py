"""What a report consists of, before it is written: sections of the page, numbers, CSV tables, lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmattn.analysis.page import Cell, Section

# Folder of the pictures in that of the report.
PICTURES = 'pictures'
# Classes in a matrix on the page or a list in the terminal, and rows of a table by class; the CSV files have all.
MOST_CLASSES, MOST_ROWS = 20, 100


@dataclass
class Content:
    """Content of a report.

    Args:
        facts: Paragraphs below the title.
        sections: Sections of the page.
        metrics: Content of metrics.json.
        tables: Rows of the CSV files, by file name.
        lines: Lines for a terminal.
        series: Names of the series of the page's charts.
    """

    facts: tuple[str, ...]
    sections: list[Section]
    metrics: dict[str, object]
    tables: Mapping[str, Sequence[Sequence]]
    lines: list[str]
    series: tuple[str, ...] = ()


def lowest(values: Mapping[str, float | None], most: int) -> list[str]:
    """Names with the lowest values, those without a value last; all of them in their order if there are few.

    Args:
        values: Values by name.
        most: Number of names at most.
    """
    if len(values) <= most:
        return list(values)
    return sorted(values, key=lambda name: (values[name] is None, values[name] or 0))[:most]


def percent(value: float | None, strong: bool = False) -> Cell:
    """A share as a cell in percent.

    Args:
        value: Share from 0 to 1; None or NaN for an empty cell.
        strong: Whether the cell is in bold.
    """
    return Cell() if value is None or value != value else Cell(f'{100 * value:.1f}', strong)


def number(value: float | None, digits: int = 2) -> Cell:
    """A number as a cell.

    Args:
        value: The number; None or NaN for an empty cell.
        digits: Number of digits behind the point.
    """
    return Cell() if value is None or value != value else Cell(f'{value:.{digits}f}')


def text_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned text: the first column at the left, the others at the right."""
    widths = [max(len(row[at]) for row in (columns, *rows)) for at in range(len(columns))]
    return '\n'.join(
        ' '.join(
            [row[0].ljust(widths[0]), *(f'{cell:>{max(width, 7)}}' for cell, width in zip(row[1:], widths[1:]))]
        ).rstrip()
        for row in (columns, *rows)
    )
