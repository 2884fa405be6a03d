"""Reader of the weights in a checkpoint of any format."""
from __future__ import annotations

import os
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmattn.errors import CheckpointError, one_line

from .archive import is_legacy, read_legacy, read_zip
from .inert import Inert, module_state

WRAPPER_KEYS = ('state_dict', 'model', 'net')
WRAPPER_PREFIXES = ('module.', '_orig_mod.')  # nn.DataParallel and torch.compile


def read_state(path: str | os.PathLike) -> dict[str, Tensor]:
    """Reads the tensors of a checkpoint by name, on the CPU; nothing in the file is run.

    Takes files of ``torch.save`` (a bare state_dict, one under 'state_dict', 'model' or 'net', or a whole pickled
    module, whose class need not exist) and safetensors files; strips 'module.'.

    Args:
        path: Path of the checkpoint.

    Raises:
        CheckpointError: The file is missing, is no checkpoint, is damaged, or holds no tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f'{path} is not a file')
    return _strip(_state_of(_read(path), path))


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


def _state_of(content: Any, path: Path) -> dict[str, Tensor]:
    if isinstance(content, Inert):
        try:
            state = module_state(content)
        except RecursionError as e:
            raise CheckpointError(f'{path} is damaged: its modules never end') from e
    elif isinstance(content, dict):
        for key in WRAPPER_KEYS:
            if isinstance(content.get(key), (dict, Inert)):
                return _state_of(content[key], path)
        state = {k: v for k, v in content.items() if isinstance(k, str) and isinstance(v, Tensor)}
    else:
        state = {}
    if not state:
        found = f'only the entries {sorted(map(str, content))[:8]}' if isinstance(content, dict) else \
            f'a {type(content).__name__}'
        raise CheckpointError(f'{path} holds no weights: it has {found}')
    return {k: v.detach() for k, v in state.items()}


def _strip(state: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in WRAPPER_PREFIXES * 2:
        if all(key.startswith(prefix) for key in state):
            state = {key[len(prefix):]: value for key, value in state.items()}
    return state
