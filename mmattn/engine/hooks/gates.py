"""Gates of attention with an identity start, logged by a hook."""

import torch
from mmengine.hooks import Hook
from torch import Tensor

from mmattn.models.gate import named_gates
from mmattn.registry import HOOKS
from mmattn.weights.loading import unwrapped


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

    Examples:
        >>> custom_hooks = [dict(type='mmattn.GateHook', interval=50)]
    """

    # Before LoggerHook (BELOW_NORMAL), which writes what is in the message hub.
    priority = 'NORMAL'

    def __init__(self, interval: int = 50, each: bool = False) -> None:
        if interval < 1:
            raise ValueError(f'interval must be a positive number of iterations, not {interval}')
        self.interval, self.each = interval, each
        self._gates: dict[str, Tensor] = {}

    def before_train(self, runner) -> None:
        self._gates = dict(named_gates(unwrapped(runner.model)))
        if not self._gates:
            runner.logger.warning('GateHook has nothing to log: no attention of this network has identity_init=True')

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        due = self.every_n_inner_iters(batch_idx, self.interval) or self.end_of_epoch(
            runner.train_dataloader, batch_idx
        )
        if self._gates and due:
            self._update(runner.message_hub)

    def _update(self, message_hub) -> None:
        gates = torch.cat([gate.detach().float() for gate in self._gates.values()]).tolist()
        message_hub.update_scalars(
            {'train/gate_mean': sum(gates) / len(gates), 'train/gate_min': min(gates), 'train/gate_max': max(gates)}
        )
        if self.each:
            message_hub.update_scalars({f'train/gate/{name}': gate for name, gate in zip(self._gates, gates)})
