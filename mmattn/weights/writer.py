"""Writes a checkpoint whole or not at all."""
from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import torch


def write_checkpoint(content: Any, path: str | os.PathLike) -> None:
    """``torch.save`` to a temporary name in the same folder, renamed when complete.

    Args:
        content: what to save.
        path: where; its folder is made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with os.fdopen(handle, 'wb') as file:
            torch.save(content, file)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp's files are for the owner only
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
