"""Paths in configs, read as the mm libraries read them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeGuard


def expanded(path: str) -> Path:
    """The path with ``~`` expanded."""
    return Path(path).expanduser()


def joined(root: str, path: str) -> str:
    """`path` below `root`, as mmengine's BaseDataset joins a ``data_root`` with a path: an absolute one is kept."""
    return path if os.path.isabs(path) or not root else os.path.join(root, path)


def is_local(path: object) -> TypeGuard[str]:
    """Whether this is the path of a file or folder on this machine, and no address."""
    return isinstance(path, str) and bool(path) and '://' not in path and not path.startswith('s3:')


def reads_from_disk(cfg: dict) -> bool:
    """Whether a data set or evaluator reads its files from this machine, and not through another file backend."""
    backend = cfg.get('backend_args') or cfg.get('file_client_args') or {}
    return not isinstance(backend, dict) or backend.get('backend', 'local') in ('local', 'disk')


def has_files(folder: Path) -> bool:
    """Whether this is a folder with anything in it."""
    return folder.is_dir() and next(os.scandir(folder), None) is not None
