"""Checkpoints written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from mmattn.files import atomic_path


def write_checkpoint(content: Any, path: str | Path) -> None:
    """``torch.save`` to a file that appears only when it is complete.

    Args:
        content: Object to save.
        path: Path of the file; its folder is made.
    """
    with atomic_path(path) as temporary:
        torch.save(content, temporary)
