"""mmengine's checkpoint loaders, for files and for addresses, with the reader of this package, which runs nothing.

mmengine finds and downloads what an address names; what it then reads, it may unpickle as a program.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import torch
from mmengine.dist import barrier, get_rank
from mmengine.runner import CheckpointLoader, checkpoint

from mmattn.errors import CheckpointError

from .reader import read_content
from .training import ALLOWED, built

# Functions of mmengine that its loaders for other addresses call, and the addresses of which it reads a file itself.
FROM_HTTP, LOAD = 'load_from_http', '_safe_torch_load'
HTTP, REMOTE = ('http://', 'https://'), ('pavi://', r'(\S+\:)?s3://', r'(\S+\:)?petrel://')


def read_file(path: str | Path, map_location: str | Callable | None = None) -> dict[str, Any]:
    """A file's weights as 'state_dict', and its other entries, the state of a training too; on the CPU.

    Without the text of the training's config, a program, which mmengine would run when a training goes on.

    Args:
        path: Path of the file.
        map_location: Nothing; mmengine's loaders have it.

    Raises:
        CheckpointError: The file cannot be read, is no checkpoint, is damaged, holds no weights, or holds
            objects of other classes, such as whole modules.
        FileNotFoundError: There is no such file.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f'no file {path}')
    content = built(read_content(path, ALLOWED, strict=True), path)
    if isinstance(content.get('meta'), dict):
        content['meta'].pop('config', None)
    return content


@contextmanager
def safe_schemes() -> Iterator[None]:
    """Has all of mmengine's loaders read files as `read_file` does; those that others have registered stay."""
    schemes, functions = (
        CheckpointLoader._schemes,
        {name: getattr(checkpoint, name) for name in (FROM_HTTP, LOAD) if hasattr(checkpoint, name)},
    )
    CheckpointLoader._schemes = type(schemes)(schemes)
    ours: dict[str, Callable] = {'': _load_file, **dict.fromkeys(HTTP, _load_from_http)}
    if LOAD not in functions:
        ours.update(dict.fromkeys(REMOTE, _refuse))
    for prefix, loader in ours.items():
        CheckpointLoader.register_scheme(prefix, loader, force=True)
    checkpoint.load_from_http = _load_from_http
    if LOAD in functions:
        checkpoint._safe_torch_load = _load_file_or_stream
    try:
        yield
    finally:
        CheckpointLoader._schemes = schemes
        for name, function in functions.items():
            setattr(checkpoint, name, function)


def _load_file(filename: str, map_location: str | Callable | None = None) -> dict[str, Any]:
    return read_file(filename)


def _load_file_or_stream(file: str | BinaryIO, *_: Any, **__: Any) -> dict[str, Any]:
    if isinstance(file, (str, Path)):
        return read_file(file)
    with tempfile.NamedTemporaryFile(suffix='.pth') as copy:
        copy.write(file.read())
        copy.flush()
        return read_file(copy.name)


def _load_from_http(
    filename: str, map_location: str | Callable | None = None, model_dir: str | None = None, **_: Any
) -> dict[str, Any]:
    return read_file(downloaded(filename, model_dir))


def _refuse(filename: str, map_location: str | Callable | None = None) -> None:
    raise CheckpointError(f'{filename} cannot be read safely by this version of mmengine: copy it to a file')


def downloaded(address: str, folder: str | None = None) -> Path:
    """The file that an address of the web names, in torch's folder for such files; got once, by the first process."""
    name = Path(urlsplit(address).path).name
    if name.endswith('.safetensors'):  # many are called alike; others have the names that torch and mmengine give them
        name = f'{sha256(address.encode()).hexdigest()[:8]}-{name}'
    path = Path(folder or Path(torch.hub.get_dir(), 'checkpoints'), name)
    try:
        if get_rank() == 0:
            _download(address, path)
    finally:
        barrier()
    _download(address, path)  # on another machine
    return path


def _download(address: str, path: Path) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(address, str(path), progress=False)
