"""Peak memory of a pass over the loaded model, each taken in a process of its own."""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch

from .child_process import Job, process_for

PASSES = 2
# Parameters of mallopt, from glibc's malloc.h, with which freed tensors go back to the system at once, so that the peak
# is that of tensors in use and not of the allocator's reserves.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
HANDED_BACK = {M_TRIM_THRESHOLD: 2**17, M_MMAP_THRESHOLD: 2**16}


def peak_memory(job: Job, resident: bool = False) -> int:
    """Bytes that passes of a model need at their peak, beyond what the loaded model takes; in a fresh process.

    On a GPU this is the peak counter of PyTorch's allocator, on a CPU the process's resident memory. A pass over one
    or two images comes before, so that code that is loaded on first use does not count.

    Args:
        job: What is run.
        resident: Whether to leave the allocator as a user has it, who sees what it keeps of freed memory as resident,
            too.

    Raises:
        UserError: The process ran out of memory, or the model does not run.
    """
    if not resident:
        job = replace(job, treatment=replace(job.treatment, keep_memory=False))
    with process_for(job) as call:
        return call(_measure, job, resident)


def _measure(job: Job, resident: bool) -> int:
    if not resident:
        for parameter, value in HANDED_BACK.items():
            _ask_glibc('mallopt', parameter, value)
    model = job.prepare()
    few = 1 if job.mode == 'infer' else 2
    small = [(min(few, shape[0]), *shape[1:]) for shape in job.shapes]
    # What is compiled is compiled for a shape.
    job.passes(model, None if job.treatment.compile else small)()
    run = job.passes(model)
    gc.collect()
    device = torch.device(job.treatment.device)
    counter = _CudaCounter(device) if device.type == 'cuda' else _ResidentCounter()
    for _ in range(PASSES):
        run()
    return counter.peak()


class _CudaCounter:
    """Peak of PyTorch's allocator since construction."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        torch.cuda.reset_peak_memory_stats(device)
        self.before = torch.cuda.memory_allocated(device)

    def peak(self) -> int:
        return torch.cuda.max_memory_allocated(self.device) - self.before


class _ResidentCounter:
    """Peak of the process's resident memory since construction."""

    def __init__(self) -> None:
        _ask_glibc('malloc_trim', 0)  # what it holds of freed memory goes back to the system
        # Sets the high-water mark back to what is resident now. Where the system refuses, the mark includes the loading
        # of the model, if that took more than the passes.
        with suppress(OSError):
            Path('/proc/self/clear_refs').write_text('5')
        resident = _status('VmRSS')
        self.before = _resource_peak() if resident is None else resident

    def peak(self) -> int:
        peak = _status('VmHWM')
        return (_resource_peak() if peak is None else peak) - self.before


def _ask_glibc(function: str, *args: int) -> None:
    """Calls a function of the C library, if that is glibc: elsewhere the numbers may mean something else."""
    with suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        if hasattr(library, 'gnu_get_libc_version'):
            getattr(library, function)(*args)


def _status(field: str) -> int | None:
    """A field of this process's status in bytes, None where the system does not tell."""
    try:
        lines = Path('/proc/self/status').read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f'{field}:')), None)


def _resource_peak() -> int:
    import resource  # not on every system

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == 'darwin' else 1024 * peak
