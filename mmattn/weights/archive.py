"""The two formats of ``torch.save``: a zip archive, and before torch 1.6 a stream of pickles."""
from __future__ import annotations

import os
import pickle
import sys
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmattn.errors import CheckpointError

from .inert import InertUnpickler

LEGACY_MAGIC = 0x1950a86a20f9469cfc6c


def read_zip(path: Path, allowed: Mapping[tuple[str, str], Any] | None = None, *, tensors: bool = True) -> Any:
    """The object in a zip archive of ``torch.save``, with placeholders for what is no plain data.

    Args:
        path: Path of the archive.
        allowed: What more names its pickle may use, see `InertUnpickler`.
        tensors: Whether to read the data of tensors; otherwise they are on the device 'meta'.

    Raises:
        CheckpointError: The archive is damaged, or none of ``torch.save``.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _ZipReader(path, archive, allowed, tensors).read()
    except zipfile.BadZipFile as e:
        raise CheckpointError(f'{path} is truncated or damaged ({e}): download or copy it again') from e


class _ZipReader:
    def __init__(self, path: Path, archive: zipfile.ZipFile, allowed: Mapping | None, tensors: bool) -> None:
        self.path, self.archive, self.allowed, self.tensors = path, archive, allowed, tensors
        self.names = set(archive.namelist())
        pickles = [n for n in self.names if n.count('/') == 1 and n.endswith('/data.pkl')]
        if len(pickles) != 1:
            raise CheckpointError(f'{path} is a zip archive, but not one of torch.save')
        self.root = pickles[0].removesuffix('data.pkl')
        self.storages: dict[str, Tensor] = {}
        order = self.root + 'byteorder'
        self.swap = order in self.names and self._bytes(order).decode() != sys.byteorder

    def _bytes(self, name: str) -> bytes:
        if name not in self.names:
            raise CheckpointError(f'{self.path} is incomplete: it lacks the record {name}')
        if self.archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
            raise CheckpointError(f'{self.path} is a compressed archive: torch.save writes none')
        return self.archive.read(name)

    def _storage(self, dtype: torch.dtype, key: str, size: int) -> Tensor:
        if not self.tensors:
            return torch.empty(size, dtype=dtype, device='meta')
        if key not in self.storages:
            data = self._bytes(f'{self.root}data/{key}')
            flat = torch.frombuffer(bytearray(data), dtype=dtype) if data else torch.empty(0, dtype=dtype)
            if self.swap and dtype.itemsize > 1:
                flat.untyped_storage().byteswap(dtype)
            self.storages[key] = flat
        return self.storages[key]

    def read(self) -> Any:
        return _unpickle(self.path, BytesIO(self._bytes(self.root + 'data.pkl')), self._storage, self.allowed)


def is_legacy(path: Path) -> bool:
    """Whether the file starts as a stream of pickles of torch before 1.6 does."""
    with open(path, 'rb') as file:
        try:
            return InertUnpickler(file, _no_storage).load() == LEGACY_MAGIC
        except Exception:  # noqa: BLE001  this may be a file of any kind
            return False


def read_legacy(path: Path) -> Any:
    """The object in a file of torch before 1.6, with placeholders for what is no plain data.

    The stream holds a magic number, a version, facts about the system, the object, the list of
    storage keys, and then each storage: its number of elements (int64) and its data.

    Raises:
        CheckpointError: The file is truncated.
    """
    storages: dict[str, Tensor] = {}
    file_size = os.path.getsize(path)

    def storage(dtype: torch.dtype, key: str, size: int) -> Tensor:
        if key not in storages:
            if not 0 <= size * dtype.itemsize <= file_size:
                raise CheckpointError(f'{path} is truncated: it is smaller than its tensors')
            storages[key] = torch.empty(size, dtype=dtype)
        return storages[key]

    with open(path, 'rb') as file:
        _magic, _version, system = (_unpickle(path, file, _no_storage) for _ in range(3))
        data = _unpickle(path, file, storage)
        keys = _unpickle(path, file, _no_storage)
        little = not isinstance(system, dict) or system.get('little_endian', True)
        for key in keys:
            flat = storages.get(str(key))
            count = int.from_bytes(file.read(8), 'little' if little else 'big')
            if flat is None or count != flat.numel():
                raise CheckpointError(f'{path} is damaged: storage {key} has an unexpected size')
            raw = bytearray(file.read(count * flat.itemsize))
            if len(raw) != count * flat.itemsize:
                raise CheckpointError(f'{path} is truncated: storage {key} is incomplete')
            if raw:
                flat.copy_(torch.frombuffer(raw, dtype=flat.dtype))
            if little != (sys.byteorder == 'little') and flat.itemsize > 1:
                flat.untyped_storage().byteswap(flat.dtype)
        return data


def _no_storage(dtype: torch.dtype, key: str, size: int) -> Tensor:
    raise pickle.UnpicklingError('a tensor where none belongs')


def _unpickle(path: Path, file: Any, load_storage: Any, allowed: Mapping | None = None) -> Any:
    try:
        return InertUnpickler(file, load_storage, allowed).load()
    except CheckpointError:
        raise
    except Exception as e:  # noqa: BLE001  a damaged pickle may raise anything
        raise CheckpointError(f'{path} is no readable checkpoint: {type(e).__name__}: {e}') from e
