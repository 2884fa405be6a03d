"""Reader of checkpoints of any format: their weights by name, and what else of plain data is in them.

Everything here that gets weights from a file gets them from this module: the check before a run, ``init_cfg``,
``load_from``, the conversion, and the tools that test or show a trained model.
"""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mmattn.errors import CheckpointError, first_line, one_line, shortened

from .archive import is_legacy, read_legacy, read_zip
from .inert import Inert, module_state
from .matching import renamed
from .scan import MEMORY

# Entries under which training scripts put the weights, in order of precedence.
WRAPPER_KEYS = ('state_dict', 'model', 'net')
# What wrappers put into keys: torch.compile, checkpoint_wrapper and FSDP anywhere; DataParallel and
# DistributedDataParallel, whose name a module may have too, in front.
WRAPPERS = re.compile(r'(?<![^.])(_orig_mod|_checkpoint_wrapped_module|_fsdp_wrapped_module)\.')
PARALLEL = re.compile(r'^(module\.)+')
# Entries lie in one another at most so deep, as in {'model': {'state_dict': …}}.
DEPTH = 4
# Bytes of the header of a safetensors file, and what a tensor that it names takes in memory.
HEADER, TENSOR_MEMORY = 8 * 2**20, 1000


def read_state(path: str | os.PathLike) -> dict[str, Tensor]:
    """Reads the tensors of a checkpoint by name, on the CPU; nothing in the file is run.

    Args:
        path: Path of a file of ``torch.save`` or safetensors, with or without the names that wrappers put in front.

    Raises:
        CheckpointError: The file is missing, cannot be read, is no checkpoint, is damaged, or holds no tensors.
    """
    return read_content(path)['state_dict']


def read_content(
    path: str | os.PathLike, allowed: Mapping[tuple[str, str], Any] | None = None, *, strict: bool = False
) -> dict[str, Any]:
    """Reads a checkpoint: its weights are the entry 'state_dict', on the CPU; nothing in the file is run.

    Takes files of ``torch.save`` (a bare state_dict, one under 'state_dict', 'model', 'net' or the only entry with
    weights, or a whole pickled module, whose class need not exist) and safetensors files. What wrappers such as
    ``DistributedDataParallel`` and ``torch.compile`` put into the names is cut off.

    Args:
        path: Path of the checkpoint.
        allowed: What more names a pickle may use, see `mmattn.weights.inert.InertUnpickler`.
        strict: Whether objects of other classes, such as whole modules, are refused.

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
        return with_weights(read_object(path, allowed, strict=strict), path)
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
        keys = sorted(shortened(str(key), 24) for key in islice(content, 1000)) if isinstance(content, Mapping) else ()
        found = (
            f'only the entries {keys[:4]}{"…" * (len(keys) > 4)}'
            if isinstance(content, Mapping)
            else f'a {type(content).__name__}'
        )
        raise CheckpointError(f'{source} holds no weights: it has {found}')
    others = (
        {k: v for k, v in content.items() if not isinstance(v, (Tensor, nn.Module))}
        if isinstance(content, Mapping)
        else {}
    )
    return {**others, 'state_dict': _without_wrappers(state)}


def read_object(path: Path, allowed: Mapping[tuple[str, str], Any] | None = None, *, strict: bool = False) -> Any:
    """The object in a file of any format, with placeholders for what is no plain data.

    Args:
        path: Path of the file.
        allowed: What more names a pickle may use, see `mmattn.weights.inert.InertUnpickler`.
        strict: Whether objects of other classes, such as whole modules, are refused.

    Raises:
        CheckpointError: The file is no checkpoint, is damaged, or would take more memory than its size explains.
    """
    with open(path, 'rb') as file:
        head = file.read(9)
    # torch.load is not asked: nothing bounds what it takes, and in torch < 2.6 its old formats evade weights_only
    # (CVE-2025-32434).
    if head.startswith(b'PK\x03\x04'):
        return read_zip(path, allowed, strict=strict)
    if path.suffix == '.safetensors' or head[8:] == b'{':  # after the length of the header, which is JSON
        return _read_safetensors(path)
    if is_legacy(path):
        return read_legacy(path, allowed, strict=strict)
    raise CheckpointError(f'{path} is not a checkpoint: neither a file of torch.save nor safetensors')


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:  # here, as networks need this module and few files are of this format
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ModuleNotFoundError as e:
        raise CheckpointError(f'{path} needs the package safetensors: pip install safetensors') from e
    _check_header(path)
    try:
        return load_file(path)
    except Exception as e:  # noqa: BLE001  of a type that torch lacks, too
        damaged = isinstance(e, SafetensorError)
        raise CheckpointError(
            f'{path} is no safetensors file, or truncated or damaged ({first_line(e)})'
            + (': download or copy it again' if damaged else '')
        ) from e


def _check_header(path: Path) -> None:
    """Looks at the header of a safetensors file before it is read as JSON."""
    size = path.stat().st_size
    with open(path, 'rb') as file:
        length = int.from_bytes(file.read(8), 'little')
        if length > size - 8:
            raise CheckpointError(f'{path} is no safetensors file, or truncated or damaged: download or copy it again')
        header = file.read(length) if length <= HEADER else b''
    if length > HEADER or header.count(b'data_offsets') * TENSOR_MEMORY > MEMORY + 3 * size:
        raise CheckpointError(f'{path} is refused: its header is larger than that of any checkpoint')


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
        named = ', '.join(repr(shortened(str(key), 30)) for key in sets[:4])
        raise CheckpointError(
            f"{source} holds several sets of weights ({named}): save one of them as {{'state_dict': …}}"
        )
    return inner[sets[0]] if sets else state


def _tensors(content: Mapping) -> dict[str, Tensor]:
    state = OrderedDict((k, v) for k, v in content.items() if isinstance(k, str) and isinstance(v, Tensor))
    # the versions of modules, by which some convert the keys of older ones
    if hasattr(content, '_metadata'):
        vars(state)['_metadata'] = content._metadata
    return state


def _without_wrappers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    def plain(key: str) -> str:
        return PARALLEL.sub('', WRAPPERS.sub('', key))

    state = renamed(state, plain if len(set(map(plain, state))) == len(state) else str)  # a module may be called so
    for key, value in state.items():
        state[key] = value.detach()
    return state
