"""The processes of a distributed run: how long they wait for each other, and how they end."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from mmattn.errors import ProcessError, RunError, UserError, kind_and_text

from . import notes
from .resuming.stopping import Stopped

# Of prctl, from Linux's prctl.h: the signal that a process gets when its parent ends.
PR_SET_PDEATHSIG = 1
# Seconds that a process waits for another in a collective operation, by default PyTorch's for gloo.
TIMEOUT, DEFAULT_TIMEOUT = 'MMATTN_TIMEOUT', 1800
# Seconds after which a process that failed ends even if its process group does not.
AT_THE_LATEST = 5
# Seconds that processes give each other to say that they waited in vain.
ALL_HAVE_WAITED = 3
# What PyTorch's backends say where another process is gone, and where it does not answer.
GONE = (
    'Connection closed by peer',
    'Connection reset by peer',
    'Connection refused',
    'Broken pipe',
    'remote process exited',
)
LATE = ('Timed out waiting', 'Wait timeout', 'timed out in', 'Socket Timeout')


def timeout_of(cfg: Config) -> int:
    """Seconds that a process waits for another: ``MMATTN_TIMEOUT``, or ``env_cfg.dist_cfg.timeout`` of the config.

    Raises:
        UserError: It is no positive number.
    """
    value = os.environ.get(TIMEOUT) or (cfg.get('env_cfg', {}).get('dist_cfg') or {}).get('timeout', DEFAULT_TIMEOUT)
    try:
        seconds = int(value)
    except (TypeError, ValueError):
        seconds = 0
    if seconds <= 0:
        raise UserError(f"{TIMEOUT} or env_cfg.dist_cfg.timeout must be a positive number of seconds, not '{value}'")
    return seconds


def init_group(backend: str, timeout: int) -> None:
    """Creates the process group, which finds the other processes of the same start, not those of an earlier one.

    torchrun may give processes that it starts again the store in which the addresses of those before still are.

    Args:
        backend: 'gloo' or 'nccl'.
        timeout: Seconds that a process waits for another.
    """
    options: dict[str, Any] = dict(timeout=timedelta(seconds=timeout))
    if is_restarted():
        store, rank, world_size = next(torch.distributed.rendezvous('env://', **options))
        prefix = f'mmattn_restart_{os.environ["TORCHELASTIC_RESTART_COUNT"]}'
        options.update(store=torch.distributed.PrefixStore(prefix, store), rank=rank, world_size=world_size)
    torch.distributed.init_process_group(backend, **options)


def end_processes(finished: bool, status: int = 1) -> bool:
    """Ends the process group of a distributed run, which may abort a process at its exit otherwise.

    Args:
        finished: Whether the run ended as it should, so that all processes get here, and wait for each other.
        status: Exit status of a process that failed, and whose process group does not end in time.

    Returns:
        Whether there was a group, whose threads may still abort the process when Python ends: see `leave_at_once`.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return False
    if not finished:  # NCCL may wait for an operation that never ends
        last = threading.Timer(AT_THE_LATEST, os._exit, [status])
        last.daemon = True
        last.start()
    with suppress(RuntimeError, ValueError):  # another process is gone
        if finished:
            torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    return True


def leave_at_once(status: int) -> None:
    """Ends this process without taking Python down, as threads of a process group abort some processes meanwhile.

    Args:
        status: Exit status.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # closed, or nobody reads it any more
            stream.flush()
    os._exit(status)


def end_with_launcher() -> None:
    """Has this process get SIGTERM when torchrun, which started it, is gone; on Linux, elsewhere it trains on."""
    if 'TORCHELASTIC_RUN_ID' not in os.environ or sys.platform != 'linux':
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if notes.was_launched() and not notes.has_launcher():  # it ended before
        sys.exit(128 + signal.SIGTERM)


def is_restarted() -> bool:
    """Whether torchrun started this process again after one of the run had died."""
    return int(os.environ.get('TORCHELASTIC_RESTART_COUNT') or 0) > 0


def of_other_process(error: BaseException) -> ProcessError | None:
    """The error to tell for one that is raised where another process is gone or does not answer; None for others."""
    if int(os.environ.get('WORLD_SIZE') or 1) == 1:
        return None
    cause: BaseException | None = error
    while not isinstance(cause, RuntimeError):
        if cause is None:
            return None
        cause = cause.__cause__
    text = str(cause)
    if any(each in text for each in GONE):
        return ProcessError(f'rank {notes.rank()} lost the connection to another process', follows=True)
    if any(each in text for each in LATE):
        late = _absent()
        who = ' and '.join(f'rank {rank}' for rank in late[:4]) + (f' and {len(late) - 4} more' if late[4:] else '')
        return ProcessError(
            f'{who or "another process"} did not come to an operation of all processes in time, and hangs or is much '
            f'slower; the time is {TIMEOUT} in seconds, or env_cfg.dist_cfg.timeout in the config',
            follows=not late,
        )
    return None


def _absent() -> list[int]:
    """Ranks that do not wait for others, as all others do when their time is over."""
    try:
        ranks = range(torch.distributed.get_world_size())
        store = torch.distributed.distributed_c10d._get_default_store()
        store.set(f'mmattn_waited_{notes.rank()}', '1')
        time.sleep(ALL_HAVE_WAITED)
        return [rank for rank in ranks if not store.check([f'mmattn_waited_{rank}'])]
    except (RuntimeError, ValueError, AttributeError):  # there is no group yet, or the process with the store is gone
        return []


def leave_note(error: BaseException, line: str, status: int) -> None:
    """Leaves for the launcher how this process ended; the traceback of an unforeseen error in a file beside the log.

    Args:
        error: Error that ended it.
        line: The line for the user.
        status: Exit status.
    """
    rank = notes.rank()
    follows = isinstance(error, ProcessError) and error.follows
    if not isinstance(error, (UserError, RunError, Stopped, KeyboardInterrupt)):
        line = f'error: rank {rank} failed: {kind_and_text(error)}'
        log = notes.log()
        if log is None:
            traceback.print_exception(error)
        else:
            path = Path(log).with_name(f'error_rank{rank}.txt')
            with suppress(OSError):
                path.write_text(''.join(traceback.format_exception(error)), 'utf-8')
                line += f'; traceback: {path}'
    elif rank and isinstance(error, UserError):
        line += f' (rank {rank})'
    final = isinstance(error, (UserError, RunError, Stopped)) and not isinstance(error, ProcessError)
    notes.leave(notes.Note(rank, line, status, final=final, follows=follows, stopped=isinstance(error, Stopped)))
