"""Checkpoints by path or address, and a model that gets its weights from one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from mmattn.errors import LINE, CheckpointError, UserError, first_line, one_line, shortened

from .matching import Mismatch, fill, first, prefix_that_fits
from .reader import with_weights
from .schemes import read_file, safe_schemes


def read_checkpoint(checkpoint: str | Path, map_location: str | Callable = 'cpu') -> dict[str, Any]:
    """Reads a checkpoint; the tensors by name are its entry 'state_dict'.

    Nothing in it is run, see `read_file`. What an address names mmengine's loader gets, and it is read alike.

    Args:
        checkpoint: Path or address of the checkpoint, as mmengine takes it ('torchvision://resnet50', 'https://…').
        map_location: Device for loaders that others have registered with mmengine, as in ``torch.load``.

    Raises:
        UserError: The checkpoint cannot be read, or holds no weights; the message has at most 300 characters.
        FileNotFoundError: There is no such file.
    """
    try:
        if '://' in str(checkpoint):
            return with_weights(_read_by_mmengine(checkpoint, map_location), checkpoint)
        path = Path(checkpoint).expanduser()
        if not path.exists():
            raise FileNotFoundError(f'no file {checkpoint}')
        return read_file(path)
    except FileNotFoundError:
        raise
    except CheckpointError as error:
        raise UserError(shortened(f'cannot read the checkpoint: {one_line(error)}; name another', LINE)) from error
    except Exception as error:  # noqa: BLE001  whatever a download or a loader raises
        raise UserError(
            shortened(f"cannot read the checkpoint '{checkpoint}' ({first_line(error)}); name another", LINE)
        ) from error


def _read_by_mmengine(checkpoint: str | Path, map_location: str | Callable) -> Any:
    with safe_schemes():
        return CheckpointLoader.load_checkpoint(str(checkpoint), map_location, logger='silent')


def unwrapped(model: Any) -> nn.Module:
    """The model inside wrappers for distributed runs and for augmentation in the test."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def load_weights(model: nn.Module, checkpoint: str | Path) -> dict[str, Any]:
    """Loads all weights of a model; mmengine would only log those that are missing, and leave them random.

    What of the checkpoint the model has no place for is said in one log line.

    Args:
        model: Model that gets the weights; it may be wrapped for distributed runs.
        checkpoint: Path or address of the checkpoint.

    Returns:
        The content of the checkpoint, as `read_checkpoint` returns it.

    Raises:
        UserError: The checkpoint cannot be read, or lacks weights of the model, or has them in another shape.
        FileNotFoundError: There is no such file.
    """
    content = read_checkpoint(checkpoint)
    model, state = unwrapped(model), content['state_dict']
    differences = fill(model, state, checkpoint).that_matters()
    if differences.missing or differences.reshaped:
        raise UserError(
            f"'{checkpoint}' does not fit the model of the config ({misfit(model, state, differences)}); "
            'name a checkpoint that was trained with this config'
        )
    if differences.unexpected:
        print_log(
            f'{checkpoint}: {len(differences.unexpected)} of its {len(state)} tensors are not used, as the '
            f'model has no place for them: {first(differences.unexpected)}',
            'current',
            logging.WARNING,
        )
    return content


def misfit(model: nn.Module, state: Mapping[str, Tensor], differences: Mismatch) -> str:
    """What of a model's weights a state dict lacks, and whether it has them under other names, in half a line.

    Args:
        model: The model.
        state: Weights by name.
        differences: Where they differ, at least in one key.
    """
    own = model.state_dict()
    parts = []
    if differences.reshaped:
        key = differences.reshaped[0]
        shapes = (
            f': {tuple(state[key].shape)} in the checkpoint, {tuple(own[key].shape)} in the model'
            if key in state
            else ''
        )
        parts.append(
            f'{len(differences.reshaped)} tensors have another shape, the first: size mismatch for {key}{shapes}'
        )
    if differences.missing:
        parts.append(
            f'it lacks {len(differences.missing)} of {len(own)} tensors, the first: {first(differences.missing)}'
        )
    prefix, child, count = prefix_that_fits(state, own)
    if prefix or child:
        cut = f" without the prefix '{prefix}' of their names" if prefix else ''
        place = f" as weights of the model's '{child.rstrip('.')}'" if child else ''
        parts.append(f'{count} of its {len(state)} would fit{cut}{place}')
    elif differences.unexpected:
        parts.append(
            f'{len(differences.unexpected)} of its {len(state)} tensors have no place in the model, the '
            f'first: {first(differences.unexpected)}'
        )
    return '; '.join(parts)
