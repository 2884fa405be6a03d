"""Hook that knows whether a training has got through its first iteration."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.runner import Runner


class FirstIterationHook(Hook):
    """Knows whether a training has got through its first iteration, by its attribute `done`."""

    priority = 'LOWEST'
    done = False

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Sequence | None = None, outputs: dict | None = None
    ) -> None:
        self.done = True
