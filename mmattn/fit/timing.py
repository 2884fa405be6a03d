"""How long a training and its validation take on this machine, measured by a few iterations of both."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmattn.checks.run import build, check_built
from mmattn.checks.trial import Enough, trial_config
from mmattn.engine.quiet import mute
from mmattn.engine.runner import train

# Iterations that are not measured, as memory is first asked for in them; then the most that are.
WARM_UP, MOST = 2, 30
# Images of the validation that are measured.
IMAGES = 4


@dataclass(frozen=True)
class Times:
    """Measured times.

    Args:
        iteration: Seconds of a training iteration.
        iterations: Number of iterations of an epoch.
        validation: Seconds of a validation of all images.
        memory: Peak memory of a CUDA device in bytes; None on a CPU.
    """

    iteration: float
    iterations: int
    validation: float
    memory: int | None = None


class _Clock(Hook):
    """Ends a training after some seconds and keeps the times of its iterations."""

    priority = 95

    def __init__(self, seconds: float) -> None:
        self.seconds, self._start = seconds, 0.0
        self.times: list[float] = []

    def before_train(self, runner: Runner) -> None:
        self._start = self._last = time.perf_counter()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: dict | None = None
    ) -> None:
        _synchronise()
        now = time.perf_counter()
        self.times.append(now - self._last)
        self._last = now
        if len(self.times) > WARM_UP and (now - self._start > self.seconds or len(self.times) >= WARM_UP + MOST):
            raise Enough


def measure(cfg: Config, seconds: float = 15.0) -> Times:
    """Trains for some seconds and predicts a few validation images, and leaves no file behind.

    What is wrong with config or data is found here, as `check_built` does, before anything is written.

    Args:
        cfg: Config of the training, which stays as it is.
        seconds: How long to train, after two iterations more.

    Raises:
        UserError: The run would raise, train on nothing or give a wrong result.
    """
    clock = _Clock(seconds)
    with tempfile.TemporaryDirectory(prefix='mmattn-fit-') as folder:
        with mute():
            runner = build(trial_config(cfg, folder), 'none', ('train', 'val'))
            check_built(runner, ('train', 'val'))
            validation = _validation_time(runner)
            runner.register_hook(clock)
            if torch.cuda.is_available():
                torch.cuda.reset_peak_memory_stats()
            with suppress(Enough):
                train(runner)
        loader = runner.train_dataloader
        measured = clock.times[WARM_UP:] or clock.times
        memory = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
        return Times(float(np.median(measured)), len(loader), validation, memory)


def _validation_time(runner: Runner) -> float:
    loader = runner.val_dataloader
    model = runner.model.eval()
    batches = list(islice(loader, IMAGES + 1))

    def predict(batch: object) -> None:
        with torch.no_grad():
            model.val_step(batch)
        _synchronise()

    times = [_seconds(predict, batch) for batch in batches]
    model.train()
    return float(np.median(times[1:] or times)) * len(loader)


def _seconds(run: Callable[[object], None], batch: object) -> float:
    start = time.perf_counter()
    run(batch)
    return time.perf_counter() - start


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
