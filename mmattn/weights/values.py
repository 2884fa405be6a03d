"""Check of the numbers of weights: NaN, infinity, and kinds of numbers that the model does not have."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from mmattn.errors import UserError, shortened

SWITCH = 'MMATTN_NONFINITE'


def check_values(model: nn.Module, state: Mapping[str, Tensor], source: str | Path) -> None:
    """Looks at the numbers that a model would get.

    Logs a line where buffers of real numbers get whole ones, and where ``MMATTN_NONFINITE=1`` lets a model have NaN.

    Args:
        model: Model that is to get the weights.
        state: Weights by name.
        source: Path or address of their file, for messages.

    Raises:
        UserError: Weights are NaN or infinite where the model's own are not, complex where they are real, or whole
            numbers where they are real and trained, as quantised weights are.
    """
    own, trained = model.state_dict(), {name for name, _ in model.named_parameters()}
    pairs = [(key, value, own[key]) for key, value in state.items() if key in own and own[key].shape == value.shape]
    complex_ones = [key for key, value, ours in pairs if value.is_complex() and not ours.is_complex()]
    whole = [
        key
        for key, value, ours in pairs
        if ours.is_floating_point() and not (value.is_floating_point() or value.is_complex())
    ]
    for found, kind in ((complex_ones, 'complex'), ([key for key in whole if key in trained], 'whole')):
        if found:
            raise UserError(
                f"'{source}' holds {kind} numbers in {_named(found)}, where the model has real ones "
                f'({state[found[0]].dtype}, here {own[found[0]].dtype}); name another checkpoint'
            )
    if whole:
        _warn(f'{source} holds whole numbers in {_named(whole)}, where the model has real ones')
    unusual = [key for key, value, ours in pairs if not is_finite(value) and is_finite(ours)]
    if unusual:
        count = int((~_finite(state[unusual[0]])).sum())
        what = f'{_named(unusual)} ({count} of {state[unusual[0]].numel()} values)'
        if os.environ.get(SWITCH) != '1':
            raise UserError(
                f"'{source}' holds NaN or infinity in {what}; name another checkpoint, or load it all the "
                f'same with {SWITCH}=1 in the environment'
            )
        _warn(f'{source} holds NaN or infinity in {what}, and is loaded, as {SWITCH}=1 says')


def is_finite(tensor: Tensor) -> bool:
    """Whether no value is NaN or infinite."""
    if tensor.is_meta or not (tensor.is_floating_point() or tensor.is_complex()):
        return True
    return bool(_finite(tensor).all())


def _finite(tensor: Tensor) -> Tensor:
    # with numbers of 8 bits torch computes nothing
    return torch.isfinite(tensor.float() if tensor.itemsize == 1 else tensor)


def _named(keys: list[str]) -> str:
    return f'{shortened(keys[0], 80)}' + (f' and {len(keys) - 1} more of its tensors' if len(keys) > 1 else '')


@lru_cache(maxsize=100)
def _warn(line: str) -> None:
    """Logs a line once, as a run loads what was loaded when it was built."""
    print_log(line, 'current', logging.WARNING)
