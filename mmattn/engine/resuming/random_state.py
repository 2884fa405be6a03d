"""States of the random generators of a process: Python's, NumPy's, torch's and those of its GPUs."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def get_random_state() -> dict:
    """The states of all generators of this process, as plain data and tensors that a checkpoint can hold."""
    version, numbers, gauss = random.getstate()
    state: Any = np.random.get_state()
    kind, keys, position, has_gauss, cached = state
    return {
        'python': [version, list(numbers), gauss],
        'numpy': [kind, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
        'torch': torch.get_rng_state(),
        'cuda': torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }


def set_random_state(state: dict) -> None:
    """Sets the generators of this process to states that `get_random_state` returned.

    States of GPUs that this machine has not are left out.
    """
    version, numbers, gauss = state['python']
    random.setstate((version, tuple(numbers), gauss))
    kind, keys, position, has_gauss, cached = state['numpy']
    np.random.set_state((kind, keys.cpu().numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state['torch'].cpu())
    if state['cuda'] and torch.cuda.is_available():
        for device, cuda in enumerate(state['cuda'][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(cuda.cpu(), device)


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Has the generators on the CPU go on afterwards as if nothing had been drawn."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])


@contextmanager
def seeded(entropy: Sequence[int]) -> Iterator[None]:
    """Has the generators on the CPU start from whole numbers, and go on afterwards as if nothing had been drawn.

    Args:
        entropy: Whole numbers from 0 on, all of which decide the seeds.
    """
    for_python, for_numpy, for_torch = np.random.SeedSequence(entropy).generate_state(3).tolist()
    with random_state_kept():
        random.seed(for_python)
        np.random.seed(for_numpy)
        torch.default_generator.manual_seed(for_torch)
        yield
