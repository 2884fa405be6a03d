"""Time and memory of a training, recorded by a hook."""

import sys
import time
from pathlib import Path

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from mmattn.files import write_json
from mmattn.registry import HOOKS

try:
    import resource
except ImportError:  # Windows has none
    resource = None  # type: ignore[assignment]


@HOOKS.register_module()
class ResourceHook(Hook):
    """Records the wall time and peak memory of a training, its evaluations included.

    ``<work_dir>/<timestamp>/resources.json`` then holds

    - ``wall_time_s``: seconds since the first iteration was about to start;
    - ``peak_memory_bytes``: on a GPU, the most that torch had allocated on it; without one, the
      largest resident set of the process (which data loading workers are not part of); null on
      Windows without a GPU, where Python cannot tell;
    - ``device``: the name of the GPU, or ``'cpu'``.

    It is written after every epoch and every validation, so that a run that breaks off leaves its
    share. In a distributed run it is about the first process.

    Examples:
        >>> custom_hooks = [dict(type='mmattn.ResourceHook')]
    """

    # Before LoggerHook (BELOW_NORMAL), which sets torch's record of peak memory back.
    priority = 'NORMAL'
    file_name = 'resources.json'

    def __init__(self) -> None:
        self._start = 0.0
        self._peak: int | None = None

    def before_train(self, runner) -> None:
        self._start = time.perf_counter()
        self._peak = None
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self._update_peak()

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self._update_peak()

    def after_train_epoch(self, runner) -> None:
        self._write(runner)

    def after_val_epoch(self, runner, metrics=None) -> None:
        self._write(runner)

    def after_train(self, runner) -> None:
        self._write(runner)
        self._start = 0.0

    def _update_peak(self) -> None:
        now = _peak_memory()
        if now is not None:
            self._peak = max(self._peak or 0, now)

    def _write(self, runner) -> None:
        if self._start == 0 or not is_main_process():  # a validation outside of training
            return
        self._update_peak()
        on_gpu = torch.cuda.is_available()
        write_json(
            dict(
                wall_time_s=time.perf_counter() - self._start,
                peak_memory_bytes=self._peak,
                device=torch.cuda.get_device_name() if on_gpu else 'cpu',
            ),
            Path(runner.log_dir) / self.file_name,
        )


def _peak_memory() -> int | None:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == 'darwin' else peak * 1024  # Linux counts in KiB
