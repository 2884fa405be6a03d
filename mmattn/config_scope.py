"""The scope ``mmattn::`` of configs: ``_base_ = 'mmattn::sda/…'``, as ``'mmdet::…'``.

mmengine reads such a base from ``<package>/.mim/configs`` of a package in a table of its own, into which this one is
put. mmengine takes seconds to import, and needs no table before it is: the entry is made when it is imported.
The same table has mmsegmentation's distribution by the name of its last release by OpenMMLab; where the maintained
continuation is installed, bases ``'mmseg::…'`` are found by the name of the module.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from types import ModuleType

_HOME = 'mmengine.config.utils'


class _Loader(SourceFileLoader):
    """Executes mmengine's module with the table, and makes the entry."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        _enter(module)


class _Finder(MetaPathFinder):
    """Finds that module, and nothing else, where Python does."""

    def find_spec(self, fullname, path=None, target=None) -> ModuleSpec | None:
        if fullname != _HOME:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


_FINDER = _Finder()


def _enter(module: ModuleType) -> None:
    table = getattr(module, 'MODULE2PACKAGE', None)  # other releases may have none
    if isinstance(table, dict):
        table.setdefault('mmattn', 'mmattn')
        if not _is_distribution(table.get('mmseg', 'mmseg')) and find_spec('mmseg') is not None:
            table['mmseg'] = 'mmseg'


def _is_distribution(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def install() -> None:
    """Lets mmengine read bases of this package's configs, whether it is imported already or will be.

    Calling it again changes nothing.
    """
    if _HOME in sys.modules:
        _enter(sys.modules[_HOME])
    elif _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
