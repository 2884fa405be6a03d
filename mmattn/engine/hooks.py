"""Hooks for mmengine's Runner: time and memory of a training, gates of attention with an identity start."""
import sys
import time
from pathlib import Path

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from mmattn.files import write_json
from mmattn.models.gate import named_gates
from mmattn.registry import HOOKS

try:
    import resource
except ImportError:  # Windows has none
    resource = None


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

    Example:
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
            dict(wall_time_s=time.perf_counter() - self._start, peak_memory_bytes=self._peak,
                 device=torch.cuda.get_device_name() if on_gpu else 'cpu'),
            Path(runner.log_dir) / self.file_name)


@HOOKS.register_module()
class GateHook(Hook):
    """Logs the gates of attention with ``identity_init=True`` in training.

    The log line and ``vis_data`` then hold ``gate_mean``, ``gate_min`` and ``gate_max`` over all gates: 0 is the
    network without attention, 1 the attention as its paper has it. The gates of all modules are read at once, so
    that it costs one wait for the device each time.

    Args:
        interval: Number of iterations from one reading to the next, best that of LoggerHook; each epoch's last
            iteration is read too.
        each: Whether to log every gate too, as ``gate/<name of the module>``.

    Raises:
        ValueError: `interval` is not positive.

    Example:
        >>> custom_hooks = [dict(type='mmattn.GateHook', interval=50)]
    """
    # Before LoggerHook (BELOW_NORMAL), which writes what is in the message hub.
    priority = 'NORMAL'

    def __init__(self, interval: int = 50, each: bool = False) -> None:
        if interval < 1:
            raise ValueError(f'interval must be a positive number of iterations, not {interval}')
        self.interval, self.each = interval, each
        self._gates = {}

    def before_train(self, runner) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self._gates = dict(named_gates(model))
        if not self._gates:
            runner.logger.warning('GateHook has nothing to log: no attention of this network has identity_init=True')

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        due = (self.every_n_inner_iters(batch_idx, self.interval) or
               self.end_of_epoch(runner.train_dataloader, batch_idx))
        if self._gates and due:
            self._update(runner.message_hub)

    def _update(self, message_hub) -> None:
        gates = torch.cat([gate.detach().float() for gate in self._gates.values()]).tolist()
        message_hub.update_scalars({
            'train/gate_mean': sum(gates) / len(gates), 'train/gate_min': min(gates), 'train/gate_max': max(gates)})
        if self.each:
            message_hub.update_scalars({f'train/gate/{name}': gate for name, gate in zip(self._gates, gates)})


def _peak_memory() -> int | None:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == 'darwin' else peak * 1024  # Linux counts in KiB
