"""Reads .safetensors files: an 8-byte length, a JSON header, and the tensors' bytes."""
from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch
from torch import Tensor

from mmattn.errors import CheckpointError

DTYPES = {
    'F64': torch.float64, 'F32': torch.float32, 'F16': torch.float16, 'BF16': torch.bfloat16,
    'I64': torch.int64, 'I32': torch.int32, 'I16': torch.int16, 'I8': torch.int8,
    'U8': torch.uint8, 'BOOL': torch.bool,
}


def is_safetensors(path: Path) -> bool:
    """Whether the file starts as a .safetensors file does."""
    with open(path, 'rb') as file:
        head = file.read(9)
    return len(head) == 9 and head[8:] == b'{' and int.from_bytes(head[:8], 'little') < 100 * 2**20


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors by name.

    Raises:
        CheckpointError: the header is damaged, a type is unknown, or the file is truncated.
    """
    size = os.path.getsize(path)
    with open(path, 'rb') as file:
        length = int.from_bytes(file.read(8), 'little')
        if 8 + length > size:
            raise CheckpointError(f'{path} is truncated: its header is incomplete')
        try:
            header = json.loads(file.read(length))
        except ValueError as e:
            raise CheckpointError(f'{path} is no safetensors file: its header is damaged') from e
        start = 8 + length
        tensors = {}
        for name, facts in header.items():
            if name == '__metadata__':
                continue
            try:
                dtype, shape = DTYPES[facts['dtype']], tuple(facts['shape'])
                first, last = facts['data_offsets']
                count = torch.Size(shape).numel()
            except (KeyError, TypeError, ValueError) as e:
                raise CheckpointError(f'{path}: tensor {name!r} has a damaged entry') from e
            if last - first != count * dtype.itemsize or first < 0:
                raise CheckpointError(f'{path}: tensor {name!r} has a damaged entry')
            if start + last > size:
                raise CheckpointError(f'{path} is truncated: tensor {name!r} is incomplete')
            file.seek(start + first)
            raw = bytearray(file.read(last - first))
            flat = torch.frombuffer(raw, dtype=dtype) if raw else torch.empty(0, dtype=dtype)
            if sys.byteorder == 'big' and dtype.itemsize > 1:
                flat.untyped_storage().byteswap(dtype)
            tensors[name] = flat.reshape(shape)
        return tensors
