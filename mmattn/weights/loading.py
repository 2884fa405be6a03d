"""Checkpoints as mmengine loads them, by path or address, and a model that gets all its weights from one."""
from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from mmattn.errors import CheckpointError, UserError, kind_and_text, one_line

from .reader import read_state

# What results do not depend on: files from before torch 0.4.1 have no counts of batches, and mean and deviation of
# the images come from the config.
HARMLESS = re.compile(r'num_batches_tracked$|^data_preprocessor\.')


def read_checkpoint(checkpoint: str | Path, map_location: str = 'cpu') -> dict[str, Any]:
    """Reads a checkpoint by mmengine's loader; the tensors by name are its entry 'state_dict'.

    Args:
        checkpoint: Path or address of the checkpoint, as mmengine takes it ('torchvision://resnet50', 'https://…').
        map_location: Device of the tensors, as in ``torch.load``.

    Raises:
        UserError: The checkpoint cannot be read, or holds no weights.
        FileNotFoundError: There is no such file.
    """
    path = Path(checkpoint).expanduser()
    try:
        state = read_state(path) if path.is_file() else None  # says better than torch what is wrong with a file
        if path.suffix == '.safetensors' and state is not None:  # which mmengine does not read
            return {'state_dict': state}
        content = CheckpointLoader.load_checkpoint(str(checkpoint), map_location, logger='silent')
    except FileNotFoundError:
        raise
    except CheckpointError as error:
        raise UserError(f'cannot read the checkpoint: {one_line(error)}; name another') from error
    except Exception as error:  # noqa: BLE001  whatever a download or torch.load raises
        raise UserError(f"cannot read the checkpoint '{checkpoint}' ({kind_and_text(error)}); name another") from error
    state = content.get('state_dict', content) if isinstance(content, Mapping) else None
    tensors = {k: v for k, v in state.items() if isinstance(v, Tensor)} if isinstance(state, Mapping) else {}
    if not tensors:
        raise UserError(f'{checkpoint} holds no weights: give a checkpoint of a model, or its state_dict')
    return {**content, 'state_dict': {k.removeprefix('module.'): v for k, v in tensors.items()}}


def load_weights(model: nn.Module, checkpoint: str | Path) -> dict[str, Any]:
    """Loads all weights of a model; mmengine would only log those that are missing, and leave them random.

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
    model = model.module if is_model_wrapper(model) else model
    try:
        missing = model.load_state_dict(content['state_dict'], strict=False).missing_keys
    except RuntimeError as error:  # a line for each tensor of another shape
        reshaped = [line.strip().rstrip('.') for line in str(error).splitlines()[1:]]
        problem = f'{len(reshaped)} tensors have another shape, the first: {reshaped[0]}'
        raise _does_not_fit(checkpoint, problem) from error
    missing = [key for key in missing if not HARMLESS.search(key)]
    if missing:
        total = len(model.state_dict())
        raise _does_not_fit(checkpoint, f'it lacks {len(missing)} of {total} tensors, the first is {missing[0]}')
    return content


def _does_not_fit(checkpoint: str | Path, problem: str) -> UserError:
    return UserError(f"'{checkpoint}' does not fit the model of the config ({problem}); name a checkpoint that was "
                     'trained with this config')
