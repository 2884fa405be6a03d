"""Report of the check of one dataset, and how it is printed."""
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmattn.data.findings import Findings
from mmattn.data.images import read_sizes


@dataclass
class Report:
    """One dataset's problems, remarks, and table of classes.

    Args:
        title: Name of the dataset: splits, type and path.
        problems: Problems to correct, by kind.
        notes: Remarks, in one line each.
        table: The class balance: a heading and a row for each class, the class in the first
            column, its number of objects or images in the second.
        folders: The class folders in the order of their labels, where folders are the classes.
        checked: Whether the dataset could be looked through at all.
    """
    title: str
    problems: Findings = field(default_factory=Findings)
    notes: list[str] = field(default_factory=list)
    table: list[Sequence] = field(default_factory=list)
    folders: list[str] | None = None
    checked: bool = True

    def lines(self, limit: int | None) -> Iterator[str]:
        """The report, a line at a time; at most ``limit`` problems of a kind, and classes twice
        that many."""
        yield self.title
        for note in self.notes:
            yield f'  {note}'
        if self.table:
            yield from (f'  {line}' for line in _table_lines(self.table, limit))
        if self.checked and self.problems.total() == 0:
            yield '  no problems'
        for line in self.problems.lines(limit):
            yield f'  ! {line}' if not line.startswith(' ') else f'  {line}'


def share(part: int, whole: int) -> str:
    return f'{100 * part / whole:.1f} %' if whole else '-'


def _table_lines(table: list[Sequence], limit: int | None) -> Iterator[str]:
    heading, *rows = table
    if limit is not None and len(rows) > 2 * limit:
        ranked = sorted(rows, key=lambda row: -row[1])
        between = [f'… {len(rows) - 2 * limit} more (--all lists them)']
        rows = [*ranked[:limit], between, *ranked[-limit:]]
    widths = [max(len(str(row[column])) for row in [heading, *rows] if len(row) > column)
              for column in range(len(heading))]
    for row in [heading, *rows]:
        name, *cells = map(str, row)
        numbers = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=False))
        yield '  '.join([name.ljust(widths[0]), *numbers]).rstrip()


def decode_images(report: Report, paths: Sequence[Path], workers: int | None
                  ) -> dict[Path, tuple[int, int]]:
    """Decodes images; reports those missing or damaged, and the span of sizes.

    Args:
        report: Report that problems and notes are added to.
        paths: The image files, each once.
        workers: Number of threads (default: one for each CPU).

    Returns:
        The (width, height) of each image that decodes.
    """
    sizes = {}
    results = read_sizes(paths, 'decoding images', True, workers)
    for path, size in zip(paths, results, strict=True):
        if isinstance(size, FileNotFoundError):
            report.problems.add('images missing', str(path))
        elif isinstance(size, OSError):
            report.problems.add('images that do not decode', f'{path}: {size}')
        else:
            sizes[path] = size
    if sizes:
        smallest, largest = (pick(sizes.values(), key=lambda size: size[0] * size[1])
                             for pick in (min, max))
        report.notes.append(f'image sizes: {smallest[0]} x {smallest[1]} to '
                            f'{largest[0]} x {largest[1]}')
    return sizes
