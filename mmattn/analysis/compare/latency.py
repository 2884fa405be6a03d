"""How long a trained network takes for one image, on this machine."""
from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config

from mmattn.engine.trained import load_trained

from .model import validation_images

IMAGES, WARM_UP = 8, 2


@dataclass(frozen=True)
class Latency:
    """Times of single images, loaded before.

    Args:
        median: seconds.
        low, high: the first and the ninth decile, seconds.
        forwards: how many were timed.
        machine: which device, with how many threads and which torch.
    """

    median: float
    low: float
    high: float
    forwards: int
    machine: str


def measure_latency(cfg: Config, checkpoint: Path, device: str, seconds: float) -> Latency:
    """Times the network on validation images, one by one, for about `seconds`, at least once each of :data:`IMAGES`.

    From the loaded image to the result: normalisation, network, and what follows it (NMS, pasting of masks).

    Raises:
        UserError: if data or checkpoint are missing or damaged.
    """
    batches = list(itertools.islice(validation_images(cfg, one_by_one=True), IMAGES))
    model = load_trained(cfg, checkpoint, device, prepared=True).model
    for batch in batches[:WARM_UP]:
        _seconds(model, batch, device)
    times, start = [], time.perf_counter()
    for batch in itertools.cycle(batches):
        times.append(_seconds(model, batch, device))
        if len(times) >= len(batches) and time.perf_counter() - start >= seconds:
            break
    low, median, high = np.percentile(times, [10, 50, 90])
    return Latency(float(median), float(low), float(high), len(times), machine(device))


def machine(device: str) -> str:
    """What was measured on, in words."""
    from mmattn.analysis.benchmark.machine import describe_machine  # its package draws, and matplotlib is an extra
    found, threads = describe_machine(device), torch.get_num_threads()
    name = found['gpu'] or f'{found["cpu"]}, {threads} thread{"s" * (threads > 1)}'
    return f'{name}, torch {torch.__version__}'


def _seconds(model: torch.nn.Module, batch: object, device: str) -> float:
    with torch.no_grad():
        start = time.perf_counter()
        model.test_step(batch)
        if device.startswith('cuda'):
            torch.cuda.synchronize(device)
        return time.perf_counter() - start
