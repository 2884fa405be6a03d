"""Time of passes through models, each in a process of its own, taken in turns."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import numpy as np

from .child_process import Job, process_for
from .passes import Pass

# Samples shorter than this are made of several passes: at the start of a turn the caches are cold.
MIN_SAMPLE_SECONDS = 0.1
# The threads of the process whose turn has ended wait for more work for some milliseconds, and take a core each.
PAUSE_SECONDS = 0.01

# Takes a number of passes, returns the seconds that each of them took.
Timer = Callable[[int], list[float]]


@contextmanager
def timer_of(job: Job) -> Iterator[Timer]:
    """Times passes of a job, which has run once, in a process of its own.

    Raises:
        UserError: the model does not run, or not in the memory that there is.
    """
    with process_for(job) as call:
        call(_load, job)
        yield lambda passes: call(_time, passes)


Name = TypeVar('Name', bound=Hashable)


def alternate(
    timers: Mapping[Name, Timer],
    repeats: int,
    warmup: int,
    progress: Callable[[int, int], None] = lambda number, count: None,
) -> dict[Name, list[list[float]]]:
    """Uses several timers in turns, so that whatever slows the machine down slows them all.

    Args:
        timers: Timers by name.
        repeats: Number of rounds; every other round goes backwards.
        warmup: Number of passes before that, which do not count.
        progress: Called before each round with its number and the number of all rounds.

    Returns:
        Seconds of each pass, of each round, by name: entry i of all is of the same round.
    """
    passes = {}
    for name, timer in timers.items():
        passes[name] = max(1, math.ceil(MIN_SAMPLE_SECONDS / max(timer(warmup)[-1], 1e-9)))
    seconds: dict[Name, list[list[float]]] = {name: [] for name in timers}
    for i in range(repeats):
        progress(i + 1, repeats)
        for name in list(timers)[:: -1 if i % 2 else 1]:
            time.sleep(PAUSE_SECONDS)
            seconds[name].append(timers[name](passes[name]))
    return seconds


def spread(values: list[float]) -> dict[str, float]:
    """Median and quartiles."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return dict(median=float(median), low=float(low), high=float(high))


def latency(seconds: list[float]) -> dict[str, float]:
    """Milliseconds that half, and nine tenths, of the passes take at most."""
    p50, p90 = np.percentile(seconds, [50, 90])
    return dict(p50=1e3 * float(p50), p90=1e3 * float(p90))


# What follows runs in the process that is timed.

_run: Pass | None = None


def _load(job: Job) -> None:
    global _run
    _run = job.passes(job.prepare())
    _run()


def _time(passes: int) -> list[float]:
    assert _run is not None  # as _load was called before
    times = [time.perf_counter()]
    for _ in range(passes):
        _run()
        times.append(time.perf_counter())
    return [end - start for start, end in zip(times, times[1:])]
