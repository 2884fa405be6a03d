"""Latency of a training's network: the time for one validation image."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import BaseModel

from mmattn.analysis.evaluation.checkpoint_predictions import images_to_predict
from mmattn.engine.trained import load_trained

LATENCY_IMAGES, WARM_UP = 8, 2


@dataclass(frozen=True)
class Latency:
    """Time of a network for single images, from the loaded image to the result.

    Args:
        median: Median time in seconds.
        low: First decile of the times in seconds.
        high: Ninth decile of the times in seconds.
        forwards: Number of images that were timed.
        machine: Device that was measured on, with its number of threads and the version of torch.
    """

    median: float
    low: float
    high: float
    forwards: int
    machine: str


def measure_latency(cfg: Config, checkpoint: Path, device: str, seconds: float) -> Latency:
    """Times the network on validation images, one by one, at least once each of `LATENCY_IMAGES`.

    From the loaded image to the result: normalisation, network, and what follows it (NMS, pasting of masks). Networks
    run as they were trained, not prepared for inference, which would favour those of this package.

    Args:
        cfg: Config of the training.
        checkpoint: Path of the checkpoint.
        device: Device to measure on: 'cpu', 'cuda', 'cuda:1', …
        seconds: How long to measure, in seconds.

    Raises:
        UserError: Data or checkpoint are missing or damaged.
    """
    batches = list(itertools.islice(images_to_predict(cfg, one_by_one=True), LATENCY_IMAGES))
    model = load_trained(cfg, checkpoint, device).model
    for batch in batches[:WARM_UP]:
        _seconds(model, batch, device)
    times, start = [], time.perf_counter()
    for batch in itertools.cycle(batches):
        times.append(_seconds(model, batch, device))
        if len(times) >= len(batches) and time.perf_counter() - start >= seconds:
            break
    low, median, high = np.percentile(times, [10, 50, 90])
    return Latency(float(median), float(low), float(high), len(times), _machine(device))


def _seconds(model: BaseModel, batch: object, device: str) -> float:
    with torch.no_grad():
        start = time.perf_counter()
        model.test_step(batch)
        if device.startswith('cuda'):
            torch.cuda.synchronize(device)
        return time.perf_counter() - start


def _machine(device: str) -> str:
    from mmattn.analysis.benchmark.machine import describe_machine  # its package draws, and matplotlib is an extra

    found, threads = describe_machine(device), torch.get_num_threads()
    name = found['gpu'] or f'{found["cpu"]}, {threads} thread{"s" * (threads > 1)}'
    return f'{name}, torch {torch.__version__}'
