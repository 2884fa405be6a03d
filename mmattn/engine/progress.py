"""Progress bar of work that takes long."""
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Item = TypeVar('Item')


def progress(items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    """Yields the items and shows on stderr how many of them are done; in a log file, one line at the end.

    Args:
        items: What to iterate over.
        label: What is being done, in front of the bar.
        total: Number of items; None: their length.
    """
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        yield from bar.track(items, total, description=label)
