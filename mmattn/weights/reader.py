"""Reader of checkpoints of any format: their weights by name, and what else of plain data is in them.

Everything here that gets weights from a file gets them from this module: the check before a run, ``init_cfg``,
``load_from``, the conversion, and the tools that test or show a trained model.
"""
from __future__ import annotations

import os
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmattn.errors import CheckpointError, one_line

from .archive import is_legacy, read_legacy, read_zip
from .inert import Inert, module_state
from .matching import renamed

# Entries under which training scripts put the weights, in order of precedence.
WRAPPER_KEYS = ('state_dict', 'model', 'net')
# What wrappers put into keys: torch.compile, checkpoint_wrapper and FSDP anywhere; DataParallel and
# DistributedDataParallel, whose name a module may have too, in front.
WRAPPERS = re.compile(r'(?<![^.])(_orig_mod|_checkpoint_wrapped_module|_fsdp_wrapped_module)\.')
PARALLEL = re.compile(r'^(module\.)+')
# Entries lie in one another at most so deep, as in {'model': {'state_dict': …}}.
DEPTH = 4


def read_state(path: str | os.PathLike) -> dict[str, Tensor]:
    """Reads the tensors of a checkpoint by name, on the CPU; nothing in the file is run.

    See `read_content`.
    """
    return read_content(path)['state_dict']


def read_content(path: str | os.PathLike) -> dict[str, Any]:
    """Reads a checkpoint: its weights are the entry 'state_dict', on the CPU; nothing in the file is run.

    Takes files of ``torch.save`` (a bare state_dict, one under 'state_dict', 'model', 'net' or the only entry with
    weights, or a whole pickled module, whose class need not exist) and safetensors files. What wrappers such as
    ``DistributedDataParallel`` and ``torch.compile`` put into the names is cut off.

    Args:
        path: Path of the checkpoint.

    Returns:
        The entries of the file. What is neither a tensor nor plain data, such as an object of a class, is a
        placeholder.

    Raises:
        CheckpointError: The file is missing, cannot be read, is no checkpoint, is damaged, or holds no tensors.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise CheckpointError(f'{path} is not a file')
        return with_weights(_read(path), path)
    except OSError as e:
        raise CheckpointError(f'{path} cannot be read ({e.strerror or one_line(e)})') from e


def with_weights(content: Any, source: str | os.PathLike) -> dict[str, Any]:
    """The entries of a checkpoint that was read, its weights under 'state_dict' and by the model's own names.

    Args:
        content: What the file holds.
        source: Path or address of the file, for messages.

    Raises:
        CheckpointError: It holds no weights, or several sets of them.
    """
    try:
        state = _find(content, source, DEPTH)
    except RecursionError as e:
        raise CheckpointError(f'{source} is damaged: its modules never end') from e
    if not state:
        found = f'only the entries {sorted(map(str, content))[:8]}' if isinstance(content, Mapping) else \
            f'a {type(content).__name__}'
        raise CheckpointError(f'{source} holds no weights: it has {found}')
    others = {k: v for k, v in content.items() if not isinstance(v, (Tensor, nn.Module))} \
        if isinstance(content, Mapping) else {}
    return {**others, 'state_dict': _without_wrappers(state)}


def _read(path: Path) -> Any:
    with open(path, 'rb') as file:
        head = file.read(9)
    if head.startswith(b'PK\x03\x04'):
        return _read_zip(path)
    if path.suffix == '.safetensors' or head[8:] == b'{':  # after the length of the header, which is JSON
        return _read_safetensors(path)
    # torch.load is not asked: in torch < 2.6 its old formats evade weights_only (CVE-2025-32434).
    if is_legacy(path):
        return read_legacy(path)
    raise CheckpointError(f'{path} is not a checkpoint: neither a file of torch.save nor safetensors')


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:  # here, as networks need this module and few files are of this format
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ModuleNotFoundError as e:
        raise CheckpointError(f'{path} needs the package safetensors: pip install safetensors') from e
    try:
        return load_file(path)
    except SafetensorError as e:
        raise CheckpointError(f'{path} is no safetensors file, or truncated or damaged ({one_line(e)}): download or '
                              'copy it again') from e


def _read_zip(path: Path) -> Any:
    if not zipfile.is_zipfile(path):
        raise CheckpointError(f'{path} is truncated: download or copy it again')
    with zipfile.ZipFile(path) as archive:
        is_script = any(name.endswith('/constants.pkl') for name in archive.namelist())
    if is_script:  # torch.load would hand it to torch.jit, and its tensors are in a format of its own
        raise CheckpointError(f'{path} is a TorchScript program: save its state_dict instead')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # about the pickle's protocol
            return torch.load(path, map_location='cpu', weights_only=True)
    except Exception:  # noqa: BLE001  a module, or a damaged file, of which ours says what is wrong
        return read_zip(path)


def _find(content: Any, source: str | os.PathLike, depth: int) -> Mapping[str, Tensor]:
    """The weights in `content`, by their names there; empty if there are none."""
    if isinstance(content, nn.Module):
        return content.state_dict()
    if isinstance(content, Inert):
        return module_state(content)
    if not isinstance(content, Mapping) or not depth:
        return {}
    for key in WRAPPER_KEYS:
        state = _find(content.get(key), source, depth - 1)
        if state:
            return state
    state, inner = _tensors(content), {k: _tensors(v) for k, v in content.items() if isinstance(v, Mapping)}
    sets = [k for k, v in inner.items() if len(v) > len(state)]  # a state_dict beside a tensor that is none of it
    if len(sets) > 1:
        raise CheckpointError(f'{source} holds several sets of weights ({", ".join(map(repr, sets))}): save one of '
                              "them as {'state_dict': …}")
    return inner[sets[0]] if sets else state


def _tensors(content: Mapping) -> dict[str, Tensor]:
    state = OrderedDict((k, v) for k, v in content.items() if isinstance(k, str) and isinstance(v, Tensor))
    # the versions of modules, by which some convert the keys of older ones
    if hasattr(content, '_metadata'):
        state._metadata = content._metadata
    return state


def _without_wrappers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    def plain(key: str) -> str:
        return PARALLEL.sub('', WRAPPERS.sub('', key))

    state = renamed(state, plain if len(set(map(plain, state))) == len(state) else str)  # a module may be called so
    for key, value in state.items():
        state[key] = value.detach()
    return state
