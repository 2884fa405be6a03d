"""Hook that watches the first iteration of a training."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmattn.errors import UserError


class FirstIterationHook(Hook):
    """Knows whether a training has got through its first iteration, and refuses to go on from a loss that is no number.

    mmengine trains on with NaN in all weights. In later iterations a loss is left to mmdet's ``CheckInvalidLossHook``.
    """

    priority = 'LOWEST'
    done = False

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Sequence | None = None,
                         outputs: dict | None = None) -> None:
        if not self.done:
            check_losses(outputs or {})
        self.done = True


def check_losses(losses: dict[str, object]) -> None:
    """Raises UserError if one of the losses of a first iteration is NaN or infinite.

    Args:
        losses: Losses by name, as a model's ``train_step`` returns them; scalar tensors or numbers.
    """
    wrong = [f'{name} is {float(value)}' for name, value in losses.items()
             if 'loss' in name and isinstance(value, (torch.Tensor, float)) and torch.as_tensor(value).numel() == 1
             and not torch.isfinite(torch.as_tensor(value)).item()]
    if wrong:
        raise UserError(f'in the first iteration {", ".join(wrong[:3])}, and the training would learn nothing; look '
                        'through the data with tools/prepare_data.py check, and at the weights and the learning rate')
