"""Checkpoints of a run on the disk: written so that there is always a whole one, and found again."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

from mmattn.files import write_text

NOTE = 'last_checkpoint'  # mmengine's: the path of the newest checkpoint
VALIDATED = 'last_validation'  # ours: number of iterations after which the last finished validation ran
RUN = 'last_run'  # ours: name of the training that last ran in the folder, as its checkpoints have it
UNFINISHED = 'unfinished_iter_{}.pth'  # saved between the regular ones, and gone after the next of them
PARTIAL = '.partial'


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Writes a checkpoint to another name, has it on the disk, looks at it, and only then gives it its name.

    Args:
        path: Path of the checkpoint; what was there stays until the new one is whole.
        write: Function that writes the file to the path that it is given.

    Raises:
        OSError: It could not be written, or is not whole.
    """
    partial = path.with_name(f'.{path.name}{PARTIAL}')
    try:
        write(partial)
        _to_disk(partial)
        _check_written(partial)
        os.replace(partial, path)
        _to_disk(path.parent)
    finally:
        if partial.is_file():
            partial.unlink()


def write_note(folder: Path, name: str, text: str) -> None:
    """Writes a note of one line into a folder, in one step."""
    write_text(text, folder / name)


def read_note(folder: Path, name: str) -> str | None:
    """The text of a note; None where there is none that can be read."""
    try:
        return (folder / name).read_text('utf-8').strip()
    except (OSError, ValueError):
        return None


def remove_leftovers(folder: Path) -> None:
    """Removes what a killed process left half written."""
    for path in folder.glob(f'.*{PARTIAL}'):
        path.unlink(missing_ok=True)


def is_whole(path: Path) -> bool:
    """Whether each byte of a zip archive, as ``torch.save`` writes, is what was written: by its checksums."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError, EOFError):
        return False


def _check_written(path: Path) -> None:
    if path.is_dir():  # of a sharded model
        return
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise OSError(f'{path.name} was not written completely ({error})') from error
    if not any(name.endswith('data.pkl') for name in names):
        raise OSError(f'{path.name} was not written completely')


def _to_disk(path: Path) -> None:
    if os.name == 'nt' and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
