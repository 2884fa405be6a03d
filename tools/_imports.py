"""What a tool imports, or, where a package is missing, one line that says how to install it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INSTALL = (
    'bash tools/setup_env.sh && source .venv/bin/activate (or, in an environment of your own: pip install -e .)'
    if Path(__file__).with_name('setup_env.sh').is_file()
    else "pip install 'mmattn[mm]'"
)


@contextmanager
def needed() -> Iterator[None]:
    """Ends the process with one line if an import inside the context does not find its module."""
    try:
        yield
    except ModuleNotFoundError as missing:
        print(f'error: {missing}; run: {INSTALL}', file=sys.stderr)
        sys.exit(2)
