"""Stand-in for mmcv's compiled extension `mmcv._ext` on machines where it is absent.

mmdet imports `mmcv.ops`, which imports `mmcv._ext`; an mmcv installed without a compiler has none.
After `install()` that import finds `extension.py` of this package, which has the operators that
detectors commonly need, and says so in one line. The finder is the last on `sys.meta_path`, so it
is asked only when every other finder has failed: a compiled extension always wins, and one that
exists but fails to load still raises its own error. Nothing heavy is imported before `mmcv._ext` is.
"""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path

__all__ = ['install']


class _StandInFinder(MetaPathFinder):
    """Finds `mmcv._ext`, and nothing else, in `extension.py`."""

    def find_spec(self, fullname, path=None, target=None) -> ModuleSpec | None:
        if fullname != 'mmcv._ext':
            return None
        return spec_from_file_location(fullname, Path(__file__).with_name('extension.py'))


_FINDER = _StandInFinder()


def install() -> None:
    """Let `import mmcv._ext` fall back to our operators where mmcv has no compiled extension.

    Calling it again changes nothing. It works before or after `import mmcv`; if `import mmcv.ops`
    has failed already, import it once more afterwards.
    """
    if _FINDER not in sys.meta_path:
        sys.meta_path.append(_FINDER)
