"""Whether a path is a file that can be read, found out without opening it: a named pipe would wait for a writer."""

import os
import stat
from pathlib import Path


def check_readable(path: str | Path) -> None:
    """Raises if a path is no file that can be read.

    Args:
        path: Path of the file.

    Raises:
        FileNotFoundError: If there is nothing at the path, or its name is none that a file can have.
        OSError: If it is a folder, a pipe or a device, empty, or this user may not read it.
    """
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a name with a zero byte or a surrogate
        raise FileNotFoundError(f'no file {path}') from None
    if stat.S_ISDIR(status.st_mode):
        raise OSError('a folder, no file')
    if not stat.S_ISREG(status.st_mode):
        raise OSError('a pipe, socket or device, no file')
    if not status.st_size:
        raise OSError('the file is empty')
    if not os.access(path, os.R_OK):
        raise OSError('no permission to read it')
