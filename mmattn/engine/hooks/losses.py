"""Hook that ends a training whose loss is NaN or infinite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmattn.commands import command
from mmattn.engine.resuming.files import NOTE, read_note
from mmattn.errors import RunError, UserError

# On a GPU, which a look makes wait, every so many iterations; a NaN that has got into the weights stays.
LOOK_EVERY = 10
# So often in a row with a loss scaler, which leaves out the step after an overflow and scales less.
PATIENCE = 20
ADVICE = 'a smaller learning rate, a longer warm-up or optim_wrapper.clip_grad usually help'


class LossHook(Hook):
    """Ends a training whose loss is NaN or infinite: mmengine trains on with NaN in all weights.

    On a CPU it looks at each iteration, on a GPU at each tenth and at the last of an epoch.
    """

    priority = 'ABOVE_NORMAL'  # before anything is saved

    def __init__(self) -> None:
        self._is_first, self._in_a_row = True, 0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Sequence | None = None, outputs: dict | None = None
    ) -> None:
        losses = outputs or {}
        if self._is_first:
            check_losses(losses)
            self._is_first = False
        on_gpu = any(isinstance(value, torch.Tensor) and value.is_cuda for value in losses.values())
        if on_gpu and not (
            self.every_n_train_iters(runner, LOOK_EVERY)
            or self.is_last_train_iter(runner)
            or self.end_of_epoch(runner.train_dataloader, batch_idx)
        ):
            return
        wrong = not_finite(losses)
        self._in_a_row = self._in_a_row + 1 if wrong else 0
        scaler = getattr(runner.optim_wrapper, 'loss_scaler', None)
        patience = PATIENCE if scaler is not None and scaler.is_enabled() else 1
        if self._in_a_row >= patience:
            raise RunError(diverged(runner, runner.iter + 1, ', '.join(wrong[:3])))


def check_weights(runner: Runner, iteration: int) -> None:
    """Raises RunError if a trained weight is NaN or infinite, and a checkpoint of them would be of no use.

    Args:
        runner: Runner of the training.
        iteration: Number of iterations that are done.
    """
    trained = {name: weight for name, weight in runner.model.named_parameters() if weight.requires_grad}
    finite = torch.stack([torch.isfinite(weight.detach()).all() for weight in trained.values()] or [torch.tensor(True)])
    if not finite.all():  # one look at the GPU for all
        name = next(name for name, each in zip(trained, finite.tolist()) if not each)
        raise RunError(diverged(runner, iteration, f'{name} has weights that are NaN or infinite'))


def diverged(runner: Runner, iteration: int, what: str) -> str:
    """The line for the user about a training that came to NaN: the iteration, and from where to go on."""
    checkpoint = read_note(Path(runner.work_dir), NOTE)
    good = f'the last good checkpoint is {checkpoint}' if checkpoint else 'no checkpoint was saved before'
    return f'in iteration {iteration} {what}, and the training would learn nothing more; {good}; {ADVICE}'


def not_finite(losses: dict[str, object]) -> list[str]:
    """Names and values of the losses that are NaN or infinite.

    Args:
        losses: Losses by name, as a model's ``train_step`` returns them; scalar tensors or numbers.
    """
    values = {
        name: torch.as_tensor(value).detach()
        for name, value in losses.items()
        if 'loss' in name and isinstance(value, (torch.Tensor, float))
    }
    return [
        f'{name} is {float(value)}'
        for name, value in values.items()
        if value.numel() == 1 and not torch.isfinite(value)
    ]


def check_losses(losses: dict[str, object]) -> None:
    """Raises UserError if one of the losses of a first iteration, see `not_finite`, is NaN or infinite."""
    wrong = not_finite(losses)
    if wrong:
        raise UserError(
            f'in the first iteration {", ".join(wrong[:3])}, and the training would learn nothing; look '
            f'through the data with {command("check")}, and at the weights and the learning rate'
        )
