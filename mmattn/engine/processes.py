"""The processes of a distributed run: how they end."""
from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress

import torch

# Of prctl, from Linux's prctl.h: the signal that a process gets when its parent ends.
PR_SET_PDEATHSIG = 1


def end_processes(finished: bool) -> None:
    """Ends the process group of a distributed run, which may abort a process at its exit otherwise.

    Args:
        finished: Whether the run ended as it should, so that all processes get here, and wait for each other.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return
    with suppress(RuntimeError, ValueError):  # another process is gone
        if finished:
            torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def end_with_launcher() -> None:
    """Has this process get SIGTERM when torchrun, which started it, is gone; on Linux, elsewhere it trains on."""
    if 'TORCHELASTIC_RUN_ID' in os.environ and sys.platform == 'linux':
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def is_restarted() -> bool:
    """Whether torchrun started this process again after one of the run had died."""
    return int(os.environ.get('TORCHELASTIC_RESTART_COUNT') or 0) > 0
