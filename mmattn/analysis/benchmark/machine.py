"""The machine and the versions that a measurement belongs to."""

from __future__ import annotations

import importlib
import os
import platform
import re
from pathlib import Path

import torch

import mmattn

PACKAGES = ('torchvision', 'mmengine', 'mmcv', 'mmdet', 'mmpretrain', 'numpy')


def describe_machine(device: str) -> dict:
    """CPU model, physical cores, memory in GiB, GPU name (None on a CPU), operating system."""
    gpu = torch.cuda.get_device_name(torch.device(device)) if torch.device(device).type == 'cuda' else None
    return dict(
        cpu=_cpu_model(),
        cores=physical_cores(),
        memory_gib=_memory_gib(),
        gpu=gpu,
        system=f'{platform.system()} {platform.machine()}',
    )


def describe_versions() -> dict:
    """Versions of Python, this package, PyTorch, and what else is installed of the libraries around it."""
    versions = dict(mmattn=mmattn.__version__, python=platform.python_version(), torch=torch.__version__)
    for package in PACKAGES:
        try:
            versions[package] = importlib.import_module(package).__version__
        except (ImportError, AttributeError):
            continue
    return versions


def physical_cores() -> int:
    """Physical cores that this process may use; hyper-threads of one core count once."""
    allowed = os.sched_getaffinity(0) if hasattr(os, 'sched_getaffinity') else range(os.cpu_count() or 1)
    cores: set[object] = set()
    for cpu in allowed:
        topology = Path(f'/sys/devices/system/cpu/cpu{cpu}/topology')
        try:
            cores.add(tuple((topology / name).read_text() for name in ('physical_package_id', 'core_id')))
        except OSError:
            cores.add(cpu)
    return max(len(cores), 1)


def _cpu_model() -> str:
    try:
        match = re.search(r'model name\s*:\s*(.+)', Path('/proc/cpuinfo').read_text())
    except OSError:
        match = None
    return match[1].strip() if match else platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None
