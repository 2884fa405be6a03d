"""Lock of a work folder, so that two trainings never write into one."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmattn.errors import UserError

try:
    import fcntl
except ImportError:  # Windows has none, and there is no lock
    fcntl = None  # type: ignore[assignment]

NAME = '.lock'


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the lock of a work folder, which the system gives back however the process ends.

    Args:
        folder: Work folder, which is made if it is missing.

    Raises:
        UserError: Another process holds it; the message names its machine and number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / NAME, 'a+', encoding='utf-8') as file:
        if not _take(file):
            file.seek(0)
            holder = file.read().strip() or 'another process'
            raise UserError(f"'{folder}' is in use by {holder}; wait for it, end it, or name another --work-dir")
        # A process that loads data and outlives this one for a moment must not keep the lock.
        if hasattr(os, 'register_at_fork'):
            os.register_at_fork(after_in_child=file.close)
        file.truncate(0)
        file.write(f'process {os.getpid()} on {socket.gethostname()}')
        file.flush()
        yield


def _take(file) -> bool:
    """Whether the lock could be taken; where a file system has no locks, it always can."""
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


if __name__ == '__main__':  # for shell scripts: whether a folder is free
    try:
        with locked(Path(sys.argv[1])):
            pass
    except UserError as error:
        sys.exit(f'error: {error}')
