"""Signals that ask a training to stop: it ends the running iteration, saves, and says how to go on."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mmattn.engine.notes import has_launcher

# Ctrl-C, what ends a job, and what Slurm sends some time before it does; Windows has not all.
SIGNALS = tuple(getattr(signal, name) for name in ('SIGINT', 'SIGTERM', 'SIGUSR1') if hasattr(signal, name))


class Stopped(Exception):
    """A training that was stopped by a signal after it had saved all that it needs to go on.

    Args:
        number: Number of the signal.
        checkpoint: Path of the checkpoint to go on from; None where nothing could be saved.

    Attributes:
        how: How to give the command to go on, for the message.
    """

    def __init__(self, number: int, checkpoint: str | None) -> None:
        super().__init__(number, checkpoint)
        self.number, self.checkpoint = number, checkpoint
        self.how = 'with --resume'

    @property
    def exit_status(self) -> int:
        """What a shell says of a process that the signal ended."""
        return 128 + self.number

    def __str__(self) -> str:
        saved = f'; saved {self.checkpoint}' if self.checkpoint else '; nothing could be saved'
        return f'stopped by {signal.Signals(self.number).name}{saved}; to go on, give the same command {self.how}'


class _Request:
    number: int | None = None


_request = _Request()


def stop_requested() -> int | None:
    """Number of the signal that asked this process to stop; None where none did."""
    return _request.number


@contextmanager
def stop_signals() -> Iterator[None]:
    """Has the first of `SIGNALS` only ask for a stop; a second Ctrl-C ends the process at once.

    For the main thread of a command-line tool, which owns its process; elsewhere nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()

    def ask(number: int, frame: object) -> None:
        if os.getpid() != owner:  # a loader's worker, whose main process stops it
            return
        if _request.number is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        if _request.number is None and os.environ.get('LOCAL_RANK', '0') == '0' and not has_launcher():
            # Not by print, whose buffer may be in use where the signal arrives.
            os.write(sys.stderr.fileno(), b'stopping: the running iteration ends and is saved; Ctrl-C ends at once\n')
        _request.number = number if _request.number is None else _request.number

    before = {number: signal.signal(number, ask) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _request.number = None
        _end_workers()


def _end_workers() -> None:
    """Ends the workers of data loaders, for each of which a loader that goes away may wait five seconds."""
    for worker in multiprocessing.active_children():
        worker.terminate()


@contextmanager
def signals_held() -> Iterator[None]:
    """Holds `SIGNALS` back until the end, as of something that must not be half done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = {number: signal.signal(number, lambda number, frame: held.append(number)) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in dict.fromkeys(held):
            signal.raise_signal(number)
