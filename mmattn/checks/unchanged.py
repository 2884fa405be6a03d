"""A trial on a model that leaves no trace in the run after it."""
from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from mmattn.engine.quiet import mute


@contextmanager
def unchanged() -> Iterator[None]:
    """Keeps the random generators of Python, NumPy and PyTorch as they were, and lets nothing be logged or printed."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
    try:
        with mute():
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
