"""The two formats of ``torch.save``: a zip archive, and before torch 1.6 a stream of pickles.

Sizes, compression and places of what an archive holds are looked at before any of it is read, and a pickle is scanned
before it is unpickled.
"""

from __future__ import annotations

import mmap
import os
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmattn.errors import CheckpointError, first_line, shortened

from .inert import InertUnpickler, RefusedError
from .scan import MEMORY, scan

# How a stream begins: a pickle of this number, of protocol 2 or another.
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_HEAD = b'\x8a\x0a' + LEGACY_MAGIC.to_bytes(10, 'little') + b'.'
# Bytes that an entry of an archive's directory has at least, and those that it takes in memory.
ENTRY, ENTRY_MEMORY = 46, 900
# Bytes before the data of an entry: its local header, without name and extra field.
HEADER = 30


def read_zip(
    path: Path, allowed: Mapping[tuple[str, str], Any] | None = None, *, tensors: bool = True, strict: bool = False
) -> Any:
    """The object in a zip archive of ``torch.save``, with placeholders for what is no plain data.

    Args:
        path: Path of the archive.
        allowed: What more names its pickle may use, see `InertUnpickler`.
        tensors: Whether to read the data of tensors; otherwise they are on the device 'meta'.
        strict: Whether objects of other classes are refused, see `InertUnpickler`.

    Raises:
        CheckpointError: The archive is damaged, would take more memory than its size explains, or is none of
            ``torch.save``.
    """
    try:
        _check_directory_size(path)
        with zipfile.ZipFile(path) as archive:
            _check_entries(path, archive.infolist())
            return _ZipReader(path, archive, tensors, dict(allowed=allowed, strict=strict)).read()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, EOFError, struct.error) as e:
        raise CheckpointError(f'{path} is truncated or damaged ({first_line(e)}): download or copy it again') from e


def _check_directory_size(path: Path) -> None:
    """Reads the end of an archive, which says how large its directory is, before the directory is read.

    Raises:
        CheckpointError: There is no end, or the directory is too large.
    """
    size = os.path.getsize(path)
    with open(path, 'rb') as file:
        file.seek(max(0, size - 2**16 - 22))
        tail = file.read()
        place = tail.rfind(b'PK\x05\x06')
        if place < 0 or len(tail) < place + 22:
            raise CheckpointError(f'{path} is truncated: download or copy it again')
        directory = int.from_bytes(tail[place + 12 : place + 16], 'little')
        large = place >= 76 and tail[place - 20 : place - 16] == b'PK\x06\x07'  # of more than 4 GiB
        if large and tail[place - 76 : place - 72] == b'PK\x06\x06':
            directory = int.from_bytes(tail[place - 36 : place - 28], 'little')
    if directory > size or directory // ENTRY * ENTRY_MEMORY > MEMORY + 3 * size:
        raise CheckpointError(f'{path} is refused: it claims to hold more than a file of its size can')


def _check_entries(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    if any(entry.filename.endswith('/constants.pkl') for entry in entries):  # its tensors are in a format of its own
        raise CheckpointError(f'{path} is a TorchScript program: save its state_dict instead')
    size, end, names = os.path.getsize(path), 0, set()
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise CheckpointError(f'{path} is a compressed archive: torch.save writes none')
        if entry.flag_bits & 1:
            raise CheckpointError(f'{path} is encrypted: torch.save writes no such archive')
        if entry.header_offset < end or entry.filename in names:
            raise CheckpointError(f'{path} is refused: what it holds overlaps')
        end = entry.header_offset + HEADER + entry.file_size
        names.add(entry.filename)
        if end > size:
            raise CheckpointError(f'{path} is refused: it claims to hold more than a file of its size can')


class _ZipReader:
    def __init__(self, path: Path, archive: zipfile.ZipFile, tensors: bool, options: dict) -> None:
        self.path, self.archive, self.tensors, self.options = path, archive, tensors, options
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
            raise CheckpointError(f'{self.path} is incomplete: it lacks the record {shortened(name, 60)}')
        return self.archive.read(name)

    def _storage(self, dtype: torch.dtype, key: str, size: int) -> Tensor:
        if not self.tensors:
            return torch.empty(size, dtype=dtype, device='meta')
        if key not in self.storages:
            data = self._bytes(f'{self.root}data/{key}')
            if len(data) != size * dtype.itemsize:
                raise CheckpointError(f'{self.path} is damaged: a tensor has another size than its data')
            flat = torch.frombuffer(bytearray(data), dtype=dtype) if data else torch.empty(0, dtype=dtype)
            if self.swap and dtype.itemsize > 1:
                flat.untyped_storage().byteswap(dtype)
            self.storages[key] = flat
        return self.storages[key]

    def read(self) -> Any:
        data = self._bytes(self.root + 'data.pkl')
        size = os.path.getsize(self.path)
        scan(data, self.path, size)
        return _unpickle(self.path, BytesIO(data), size, self._storage, self.options)


def is_legacy(path: Path) -> bool:
    """Whether the file starts as a stream of pickles of torch before 1.6 does."""
    with open(path, 'rb') as file:
        return LEGACY_HEAD in file.read(40)


def read_legacy(path: Path, allowed: Mapping[tuple[str, str], Any] | None = None, *, strict: bool = False) -> Any:
    """The object in a file of torch before 1.6, with placeholders for what is no plain data.

    The stream holds a magic number, a version, facts about the system, the object, the list of
    storage keys, and then each storage: its number of elements (int64) and its data.

    Args:
        path: Path of the file.
        allowed: What more names its pickle may use, see `InertUnpickler`.
        strict: Whether objects of other classes are refused, see `InertUnpickler`.

    Raises:
        CheckpointError: The file is truncated or damaged, or would take more memory than its size explains.
    """
    with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _LegacyReader(path, data, dict(allowed=allowed, strict=strict)).read()


class _LegacyReader:
    def __init__(self, path: Path, data: mmap.mmap, options: dict) -> None:
        self.path, self.data, self.options = path, data, options
        self.storages: dict[str, Tensor] = {}
        self.place, self.claimed = 0, 0

    def _storage(self, dtype: torch.dtype, key: str, size: int) -> Tensor:
        if key not in self.storages:
            self.claimed += size * dtype.itemsize
            if size < 0 or self.claimed > len(self.data):
                raise CheckpointError(f'{self.path} is truncated: it is smaller than its tensors')
            self.storages[key] = torch.empty(size, dtype=dtype)
        return self.storages[key]

    def _next(self, storage: Callable | None = None) -> Any:
        start, self.place = self.place, scan(self.data, self.path, len(self.data), self.place)
        return _unpickle(
            self.path, BytesIO(self.data[start : self.place]), len(self.data), storage or _no_storage, self.options
        )

    def read(self) -> Any:
        _magic, _version, system = (self._next() for _ in range(3))
        content, keys = self._next(self._storage), self._next()
        if not isinstance(keys, list) or len(keys) != len(set(map(str, keys))):
            raise CheckpointError(f'{self.path} is damaged: it lacks the list of its tensors')
        little = not isinstance(system, dict) or system.get('little_endian', True)
        for key in keys:
            flat, name = self.storages.get(str(key)), shortened(str(key), 60)
            start = self.place + 8
            count = int.from_bytes(self.data[self.place : start], 'little' if little else 'big')
            if flat is None or count != flat.numel():
                raise CheckpointError(f'{self.path} is damaged: storage {name} has an unexpected size')
            self.place = start + count * flat.itemsize
            if self.place > len(self.data):
                raise CheckpointError(f'{self.path} is truncated: storage {name} is incomplete')
            if count:
                flat.copy_(torch.frombuffer(bytearray(self.data[start : self.place]), dtype=flat.dtype))
            if little != (sys.byteorder == 'little') and flat.itemsize > 1:
                flat.untyped_storage().byteswap(flat.dtype)
        if len(keys) != len(self.storages):
            raise CheckpointError(f'{self.path} is damaged: it lacks the data of a tensor')
        return content


def _no_storage(dtype: torch.dtype, key: str, size: int) -> Tensor:
    raise pickle.UnpicklingError('a tensor where none belongs')


def _unpickle(path: Path, file: BytesIO, file_size: int, load_storage: Callable, options: dict) -> Any:
    try:
        return InertUnpickler(file, load_storage, **options, memory=MEMORY + 2 * file_size).load()
    except CheckpointError:
        raise
    except RefusedError as e:
        raise CheckpointError(f'{path} is refused: it {first_line(e, 250)}') from e
    except Exception as e:  # noqa: BLE001  a damaged pickle may raise anything
        raise CheckpointError(f'{path} is damaged or no checkpoint ({first_line(e)})') from e
