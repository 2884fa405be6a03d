"""Confusion matrix as a section of a page and as CSV rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmattn.analysis.page import Cell, Section, Table, TableRow
from mmattn.errors import shortened

from .content import MOST_CLASSES, MOST_ROWS

FILE = 'confusion.csv'
# Of the name of a column on the page.
LETTERS = 24


def confusion_section(
    matrix: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    text: str,
    totals: np.ndarray,
    background: bool = False,
    percent: bool = False,
) -> Section:
    """A matrix with shaded cells; of many classes those that are confused most.

    Args:
        matrix: Numbers by true class (rows) and predicted class (columns), square.
        rows: Names of the rows.
        columns: Names of the columns.
        text: What is counted.
        totals: What the colours of each row are shares of, (rows,).
        background: Whether the last row and column are no class, and always shown.
        percent: Whether the cells have the shares of the row in percent, rather than numbers.
    """
    shown = _most_confused(matrix, background)
    if not shown:
        nothing = f'No class of {len(rows)} is confused with another.'
        return Section('Confusion matrix', (nothing,), files=(FILE,))
    paragraphs = [text]
    if len(shown) < len(rows):
        paragraphs.append(
            f'Of {len(rows)} rows and columns, those {len(shown)} with the most confusion are shown; the file has all.'
        )
    head = ('true \\ predicted', *(shortened(columns[k], LETTERS) for k in shown))
    table = Table(
        'Confusion matrix',
        '',
        head,
        tuple(
            TableRow(
                rows[i],
                tuple(
                    Cell(
                        _text(matrix[i, k], totals[i], percent),
                        i == k and matrix[i, k] > 0,
                        shade=float(matrix[i, k] / max(totals[i], 1)),
                    )
                    for k in shown
                ),
            )
            for i in shown
        ),
    )
    return Section('Confusion matrix', tuple(paragraphs), table=table, files=(FILE,))


def confusion_metrics(matrix: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> dict[str, object]:
    """The matrix for metrics.json; of very many classes, whose matrix is large, only where to find it."""
    if len(matrix) > MOST_ROWS:
        return dict(file=FILE)
    return dict(rows=rows, columns=columns, numbers=matrix)


def confusion_rows(matrix: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> list[list]:
    """The whole matrix for a CSV file."""
    return [['true \\ predicted', *columns], *([name, *map(int, row)] for name, row in zip(rows, matrix, strict=True))]


def _text(number: int, total: int, percent: bool) -> str:
    if not number:
        return '·'
    if not percent:
        return str(number)
    share = 100 * number / max(total, 1)
    return f'{share:.1f}' if share >= 0.05 else '< 0.1'


def _most_confused(matrix: np.ndarray, background: bool) -> list[int]:
    classes = len(matrix) - background
    last = list(range(classes, len(matrix)))
    if classes <= MOST_CLASSES:
        return [*range(classes), *last]
    wrong = matrix - np.diag(np.diag(matrix))
    mistakes = (wrong.sum(axis=0) + wrong.sum(axis=1))[:classes]
    order = [int(k) for k in np.argsort(-mistakes, kind='stable')[:MOST_CLASSES] if mistakes[k]]
    return [*sorted(order), *last]
