"""Configs, command-line tools and demo data, which come with the package.

In a clone they are folders of the repository. In an installed package they are in ``mmattn/.mim``, where OpenMMLab's
tools look for them; an editable installation has links to the clone there.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from mmattn.errors import UserError

PACKAGE = Path(__file__).resolve().parent
# Before the name of a config of this package, as mmengine has it: 'mmattn::sda/…'.
SCOPE = 'mmattn::'


def _root() -> Path:
    configs = (PACKAGE / '.mim' / 'configs').resolve()
    return configs.parent if configs.is_dir() else PACKAGE.parent


ROOT = _root()
CONFIGS, TOOLS = ROOT / 'configs', ROOT / 'tools'


def is_clone() -> bool:
    """Whether the package is used from a clone of the repository, with its scripts and tests."""
    return PACKAGE.parent == ROOT


def config_path(name: str) -> str:
    """Path of a config of this package by its name in mmengine's form; any other text is returned as it is.

    Args:
        name: For instance 'mmattn::demo/mask_rcnn_sda_nuclei.py', a file in the folder configs; or a path.

    Raises:
        UserError: There is no such config; the message names those that are called alike.
    """
    if not name.startswith(SCOPE):
        return name
    path = CONFIGS / name.removeprefix(SCOPE)
    if path.is_file():
        return str(path)
    others = sorted(other.relative_to(CONFIGS).as_posix() for other in CONFIGS.rglob('*.py'))
    alike = difflib.get_close_matches(name.removeprefix(SCOPE), others, n=3) or others[:1]
    raise UserError(f"no config '{name}'; {CONFIGS} has {', '.join(SCOPE + other for other in alike)} …")
