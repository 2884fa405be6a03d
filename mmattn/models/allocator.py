"""What the C library does with the memory of maps that are no longer needed."""
from __future__ import annotations

import ctypes
import functools
import os
from contextlib import suppress

from torch import Tensor

from .compiling import is_compiling

# Parameters of mallopt, from glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
# The most that mallopt takes. Larger maps get memory of their own, which goes back when they are freed.
LARGEST_MAP_BYTES = 32 * 2**20
KEPT_BYTES = 2**31 - 1
# By these a user has said what to do.
VARIABLES = ('MALLOC_TRIM_THRESHOLD_', 'MALLOC_MMAP_THRESHOLD_', 'MALLOC_MMAP_MAX_', 'MALLOC_TOP_PAD_')


def keep_freed_memory(x: Tensor) -> None:
    """Has the process keep the memory of freed maps for the next ones, if `x`, the batch, is on a CPU.

    As it comes, glibc soon gives freed memory back to the system, and to get it again costs a fault for every page.
    With this the process stays as large as it was at its peak, as PyTorch has it on a GPU. Where one of `VARIABLES`, or
    GLIBC_TUNABLES for malloc, is set, that stands; where the C library is another, nothing happens.
    """
    if x.device.type == 'cpu' and not is_compiling():
        _keep_freed_memory()


@functools.cache
def _keep_freed_memory() -> None:
    if any(name in os.environ for name in VARIABLES) or 'glibc.malloc' in os.environ.get('GLIBC_TUNABLES', ''):
        return
    with suppress(OSError, AttributeError, TypeError):  # no C library to ask
        libc = ctypes.CDLL(None)
        if hasattr(libc, 'gnu_get_libc_version'):  # elsewhere the numbers may mean something else
            libc.mallopt(M_MMAP_THRESHOLD, LARGEST_MAP_BYTES)
            libc.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
