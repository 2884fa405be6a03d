"""The library that a config is of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

LIBRARIES = ('mmdet', 'mmpretrain', 'mmseg')


def scope_of(cfg: Config) -> str:
    """The config's ``default_scope``; where it is None, as in configs of pure Python, the library of its types.

    Without any, 'mmengine'. Types of this package do not count: its networks are used with either library.
    """
    if cfg.get('default_scope') is not None or 'default_scope' not in cfg:
        return cfg.get('default_scope', 'mmengine')
    for key in ('model', 'train_dataloader', 'val_dataloader', 'test_dataloader'):
        for kind in _types(cfg.get(key)):
            library = (kind if isinstance(kind, str) else kind.__module__).partition('.')[0]
            if library in LIBRARIES:
                return library
    return 'mmengine'


def _types(node: object) -> Iterator[Any]:
    if isinstance(node, dict) and (isinstance(node.get('type'), str) or hasattr(node.get('type'), '__module__')):
        yield node['type']
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, (list, tuple)) else ():
        yield from _types(part)
