"""Report of the check of one dataset, and how it is printed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmattn.data.findings import Findings
from mmattn.data.text import printable


@dataclass
class Report:
    """One dataset's problems, remarks, and table of classes.

    Args:
        title: Name of the dataset: splits, type and path.
        problems: Problems to correct, by kind.
        notes: Remarks, in one line each.
        table: The class balance: a heading and a row for each class, the class in the first
            column, its number of objects or images in the second.
        images: Number of images, where it is known.
        objects: Number of objects that a training learns from, where it is known.
        folders: The class folders in the order of their labels, where folders are the classes.
        checked: Whether the dataset could be looked through at all.
        clean: What is said where there are no problems.
    """

    title: str
    problems: Findings = field(default_factory=Findings)
    notes: list[str] = field(default_factory=list)
    table: list[Sequence] = field(default_factory=list)
    images: int | None = None
    objects: int | None = None
    folders: list[str] | None = None
    checked: bool = True
    clean: str = 'no problems'

    def lines(self, limit: int | None) -> Iterator[str]:
        """The report, a line at a time; at most ``limit`` problems of a kind, and classes twice
        that many."""
        yield printable(self.title)
        for note in self.notes:
            yield f'  {printable(note)}'
        if self.table:
            yield from (f'  {line}' for line in _table_lines(self.table, limit))
        if self.checked and self.problems.total() == 0:
            yield f'  {self.clean}'
        for line in self.problems.lines(limit):
            yield f'  ! {line}' if not line.startswith(' ') else f'  {line}'


def share(part: int, whole: int) -> str:
    return f'{100 * part / whole:.1f} %' if whole else '-'


def _table_lines(table: list[Sequence], limit: int | None) -> Iterator[str]:
    heading: list[Any]
    rows: list[list[Any]]
    heading, *rows = [[printable(str(cell)) if index == 0 else cell for index, cell in enumerate(row)] for row in table]
    if limit is not None and len(rows) > 2 * limit:
        ranked = sorted(rows, key=lambda row: -row[1])
        between = [f'… {len(rows) - 2 * limit} more (--all lists them)']
        rows = [*ranked[:limit], between, *ranked[-limit:]]
    widths = [
        max(len(str(row[column])) for row in [heading, *rows] if len(row) > column) for column in range(len(heading))
    ]
    for row in [heading, *rows]:
        name, *cells = map(str, row)
        numbers = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=False))
        yield '  '.join([name.ljust(widths[0]), *numbers]).rstrip()
