"""Settings of the process that a command-line tool makes for itself at its start; nothing else in this package does.

Threads are left as they are. OpenMP's waiting threads spin, which costs much beside another busy process; the policy
that lets them sleep (``OMP_WAIT_POLICY=PASSIVE``) has to be set before torch is imported and makes a training step on
a quiet machine up to 1.7 times slower, so it is for the user to choose, as is ``OMP_NUM_THREADS``.
"""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# Parameters of mallopt, from glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
# The most that mallopt takes. Larger tensors get memory of their own, which goes back to the system with them.
LARGEST_KEPT_BYTES = 32 * 2**20
KEPT_BYTES = 2**31 - 1
# By these a user has said what malloc shall do.
MALLOC_VARIABLES = ('MALLOC_TRIM_THRESHOLD_', 'MALLOC_MMAP_THRESHOLD_', 'MALLOC_MMAP_MAX_', 'MALLOC_TOP_PAD_')
SWITCH = 'MMATTN_MALLOC'
# By these PyTorch has every torch.load refuse to run what is in a file, or run it where the call does not say.
WEIGHTS_ONLY, NOT_WEIGHTS_ONLY = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD', 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'


def keep_freed_memory() -> bool:
    """Has this process keep the memory of freed tensors for the next ones, until it ends.

    By default glibc soon gives freed memory back to the system, and to get it again costs a page fault for every 4 KiB:
    on a CPU a large share of the time of a network's forward and backward pass. With this setting the process stays as
    large as it was at its peak, as PyTorch has it on a GPU.

    Nothing changes where the environment says otherwise, by ``MMATTN_MALLOC=0``, by one of glibc's variables
    (``MALLOC_TRIM_THRESHOLD_``, ``MALLOC_MMAP_THRESHOLD_``, ``MALLOC_MMAP_MAX_``, ``MALLOC_TOP_PAD_``) or by
    ``GLIBC_TUNABLES`` for malloc, and where the C library is another than glibc.

    Returns:
        Whether the setting was made.
    """
    if os.environ.get(SWITCH) == '0' or any(name in os.environ for name in MALLOC_VARIABLES):
        return False
    if 'glibc.malloc' in os.environ.get('GLIBC_TUNABLES', ''):
        return False
    with suppress(OSError, AttributeError, TypeError):  # no C library to ask
        libc = ctypes.CDLL(None)
        if hasattr(libc, 'gnu_get_libc_version'):  # elsewhere the numbers may mean something else
            return bool(
                libc.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES) and libc.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
            )
    return False


@contextmanager
def weights_only() -> Iterator[None]:
    """Has every ``torch.load`` of this process and those that it starts run nothing that is in a file.

    This package reads checkpoints itself; other libraries call ``torch.load`` for files of their own, some with
    ``weights_only=False``. Nothing changes where the environment has one of PyTorch's variables for it.
    """
    if WEIGHTS_ONLY in os.environ or NOT_WEIGHTS_ONLY in os.environ:
        yield
        return
    os.environ[WEIGHTS_ONLY] = '1'
    try:
        yield
    finally:
        os.environ.pop(WEIGHTS_ONLY, None)


@contextmanager
def without_collecting() -> Iterator[None]:
    """Has Python look for no garbage meanwhile, as while libraries are imported, which leaves none and takes long."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
