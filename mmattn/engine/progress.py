"""Progress of work that takes long: a bar on a terminal, a few lines in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Iterable, Iterator, Sized
from typing import TextIO, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Item = TypeVar('Item')

# In a log file a line follows the one before after this share of the work, or after so many seconds.
SHARE, SECONDS = 0.1, 30


def progress(items: Iterable[Item], label: str, total: int | None = None) -> Generator[Item, None, None]:
    """Yields the items and shows on stderr how many of them are done.

    On a terminal that is a bar; elsewhere a line after each tenth of the work or 30 seconds, but at most one a second,
    and one at the end.

    Args:
        items: What to iterate over.
        label: What is being done, in front of the number.
        total: Number of items; None: their length, if they have one.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    if is_terminal(sys.stderr):
        columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            yield from bar.track(items, total, description=label)
    else:
        yield from _logged(items, label, total)


def status(line: str) -> None:
    """Shows on stderr what is being done: in place on a terminal, where an empty line clears it, elsewhere in lines."""
    if is_terminal(sys.stderr):
        print(f'\r{line[:99]:99}', end='' if line else '\r', file=sys.stderr, flush=True)
    elif line:
        print(line, file=sys.stderr, flush=True)


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream is seen by somebody as it is written.

    What rich holds for a terminal may be none: FORCE_COLOR and TTY_COMPATIBLE are set in many an automated build.
    """
    return hasattr(stream, 'isatty') and not stream.closed and stream.isatty()


def _logged(items: Iterable[Item], label: str, total: int | None) -> Iterator[Item]:
    start = shown_at = time.monotonic()
    shown = done = 0
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        due = now - shown_at >= SECONDS or (total and done - shown >= SHARE * total and now - shown_at >= 1)
        if due and done != total:
            _write(label, done, total, now - start)
            shown, shown_at = done, now
    _write(label, done, total, time.monotonic() - start)


def _write(label: str, done: int, total: int | None, seconds: float) -> None:
    number = str(done) if total is None else f'{done}/{total}'
    left = f', {_duration(seconds / done * (total - done))} left' if total and 0 < done < total else ''
    print(f'{label} {number}, {_duration(seconds)}{left}', file=sys.stderr, flush=True)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02}:{rest:02}'
