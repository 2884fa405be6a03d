"""Notes that the processes of a distributed run leave for their launcher, of how they ended and where the log is."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from mmattn.files import write_text

# Set by mmattn.engine.torchrun: the folder of the notes, whose name ends with the number of its process.
FOLDER = 'MMATTN_JOB'
LOG = 'log'


@dataclass(frozen=True)
class Note:
    """How a process ended.

    Args:
        rank: Rank of the process.
        line: The line for the user.
        status: Exit status.
        final: Whether the same would come again if all processes were started again.
        follows: Whether it ended because another process had.
        stopped: Whether a signal asked it to.
        time: Seconds since the epoch.
    """

    rank: int
    line: str
    status: int
    final: bool = False
    follows: bool = False
    stopped: bool = False
    time: float = 0


def was_launched() -> bool:
    """Whether this process was started by ``mmattn.engine.torchrun``."""
    return FOLDER in os.environ


def has_launcher() -> bool:
    """Whether the launcher that started this process is still there, to say how the run ended."""
    return was_launched() and os.getppid() == int(os.environ[FOLDER].rpartition('_')[2])


def leave(note: Note) -> None:
    """Leaves the note of this process."""
    _write(f'{note.rank}.json', json.dumps(dict(asdict(note), time=time.time())))


def leave_log(path: str | Path) -> None:
    """Notes where the log of the run is."""
    if was_launched() and rank() == 0:
        _write(LOG, str(path))


def notes() -> list[Note]:
    """All notes of processes of this machine, the first that failed before those that followed it."""
    found = []
    for path in Path(os.environ[FOLDER]).glob('*.json'):
        with suppress(OSError, ValueError, TypeError):
            found.append(Note(**json.loads(path.read_text('utf-8'))))
    return sorted(found, key=lambda note: (note.follows, note.time))


def log() -> str | None:
    """Path of the log of the run; None where no process noted one."""
    try:
        return Path(os.environ[FOLDER], LOG).read_text('utf-8')
    except (OSError, KeyError):
        return None


def remove_notes() -> None:
    """Removes the notes of processes that are gone, before others are started."""
    for path in Path(os.environ[FOLDER]).glob('*.json'):
        path.unlink(missing_ok=True)


def rank() -> int:
    """Rank of this process."""
    return int(os.environ.get('RANK') or 0)


def _write(name: str, text: str) -> None:
    with suppress(OSError):
        write_text(text, Path(os.environ[FOLDER], name))
