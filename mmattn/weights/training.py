"""Reader of the checkpoint of a training: weights, optimiser, and mmengine's message hub, without running anything.

mmengine pickles the history of each logged value as an object of a class, made of NumPy arrays. Here these few classes
are built by functions of our own, from plain data of bounded kinds, and no other class is.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import HistoryBuffer

from mmattn.errors import CheckpointError

from .archive import read_zip
from .inert import ADVICE, Allowed, Inert, RefusedError

# Kinds of NumPy's numbers that a history or a logged value has: bool, whole and real numbers.
NUMBERS = 'biuf'
# Entries lie in one another at most so deep.
DEPTH = 30


def read_training(path: str | os.PathLike, *, tensors: bool = True) -> dict[str, Any]:
    """Reads a checkpoint of mmengine's runner, on the CPU.

    Args:
        path: Path of the checkpoint.
        tensors: Whether to read the data of tensors; otherwise they are on the device 'meta', and the file is read in
            some milliseconds whatever its size.

    Returns:
        Its entries: 'meta', 'state_dict', 'message_hub', 'optimizer', …

    Raises:
        CheckpointError: The file is no archive of ``torch.save``, is damaged, holds no dictionary, or holds objects of
            other classes.
    """
    path = Path(path)
    try:
        content = read_zip(path, allowed=ALLOWED, tensors=tensors, strict=True)
    except OSError as error:
        raise CheckpointError(f'{path} cannot be read ({error.strerror or error})') from error
    return built(content, path)


def built(content: Any, path: str | os.PathLike) -> dict[str, Any]:
    """What was read with `ALLOWED`, with histories and arrays.

    Raises:
        CheckpointError: It is no dictionary, or never ends.
    """
    if not isinstance(content, dict):
        raise CheckpointError(f'{path} is no checkpoint of a training: it holds a {type(content).__name__}')
    return _Plain()(content)


class _DType:
    """A NumPy dtype that a pickle describes; only numbers have one."""

    def __init__(self, text: object = None, *_: object) -> None:
        if not (isinstance(text, str) and len(text) <= 4 and text.lstrip('<>|=')[:1] in tuple(NUMBERS)):
            raise RefusedError(f'holds an array of something else than numbers {ADVICE}')
        self.dtype = np.dtype(text)

    def __setstate__(self, state: object) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] == '>':
            raise pickle.UnpicklingError('an array of a machine with another order of bytes')


class _Array:
    """A NumPy array that a pickle describes."""

    def __init__(self, *_: object) -> None:
        self.array: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _version, shape, dtype, fortran, data = state
        if not (isinstance(dtype, _DType) and isinstance(data, bytes) and isinstance(shape, tuple)):
            raise pickle.UnpicklingError('an array that is not made of bytes')
        flat = np.frombuffer(data, dtype.dtype)
        self.array = flat.reshape(shape, order='F' if fortran else 'C')


class _History:
    """A `HistoryBuffer` that a pickle describes."""

    module = HistoryBuffer.__module__

    def __init__(self, *_: object) -> None:
        self.state: dict = {}

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError('a history without values')
        self.state = state

    def built(self) -> HistoryBuffer:
        history, counts = (
            value.array if isinstance(value, _Array) else None
            for value in (self.state.get('_log_history'), self.state.get('_count_history'))
        )
        length = self.state.get('max_length', 1000000)
        if history is None or counts is None or history.ndim != 1 or not isinstance(length, int):
            raise CheckpointError('the checkpoint is damaged: a history of logged values has none')
        return HistoryBuffer(history, counts, length)


def _scalar(dtype: object, data: object = b'') -> object:
    if not (isinstance(dtype, _DType) and isinstance(data, bytes) and len(data) == dtype.dtype.itemsize):
        raise pickle.UnpicklingError('a number that is not made of bytes')
    return np.frombuffer(data, dtype.dtype)[0].item()


def _no_bytes(*args: object) -> bytes:
    """How pickles of an old protocol hold bytes of which there are none."""
    if args:
        raise pickle.UnpicklingError('bytes that are made of something else')
    return b''


def _encoded(text: object, encoding: object = 'latin1') -> bytes:
    """How pickles of an old protocol hold bytes."""
    if not isinstance(text, str) or encoding != 'latin1':
        raise pickle.UnpicklingError('text in an unknown encoding')
    return text.encode('latin1')


ALLOWED = {
    ('_codecs', 'encode'): Allowed(_encoded),
    ('builtins', 'bytes'): Allowed(_no_bytes),
    ('mmengine.logging.history_buffer', 'HistoryBuffer'): _History,
    ('numpy', 'dtype'): _DType,
    ('numpy', 'ndarray'): Inert,
    **{
        (f'numpy.{core}.multiarray', name): value
        for core in ('core', '_core')
        for name, value in (('_reconstruct', Allowed(lambda *_: _Array())), ('scalar', Allowed(_scalar)))
    },
}


class _Plain:
    """Values with what stands for arrays and histories built, and dictionaries without other placeholders."""

    def __init__(self) -> None:
        # what was built, and its origin, whose id no other value may get meanwhile; a value may have many places
        self._built: dict[int, tuple[Any, Any]] = {}

    def __call__(self, value: Any, depth: int = 0) -> Any:
        if not isinstance(value, (_Array, _History, list, tuple, dict)):
            return value
        if id(value) not in self._built:
            if depth > DEPTH:
                raise CheckpointError('the checkpoint is damaged: its entries never end')
            self._built[id(value)] = value, value  # it may hold itself
            self._built[id(value)] = self._build(value, depth + 1), value
        return self._built[id(value)][0]

    def _build(self, value: Any, depth: int) -> Any:
        if isinstance(value, _Array):
            return value.array
        if isinstance(value, _History):
            return value.built()
        if type(value) in (list, tuple):
            return type(value)(self(each, depth) for each in value)
        if isinstance(value, dict):
            for key in list(value):
                value[key] = self(value[key], depth)
                if isinstance(value[key], Inert):
                    del value[key]
        return value
