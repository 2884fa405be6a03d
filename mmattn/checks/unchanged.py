"""A trial on a model that leaves no trace in the run after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mmattn.engine.quiet import mute
from mmattn.engine.resuming.random_state import get_random_state, set_random_state


@contextmanager
def unchanged() -> Iterator[None]:
    """Keeps the random generators of Python, NumPy and PyTorch as they were, and lets nothing be logged or printed."""
    state = get_random_state()
    try:
        with mute():
            yield
    finally:
        set_random_state(state)
