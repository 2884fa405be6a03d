"""Trainings that are killed at random times: whether they go on, what they lose, and where they end."""

from __future__ import annotations

import contextlib
import mmap
import os
import random
import shutil
import signal
import struct
import tempfile
import time
from pathlib import Path

import torch
from mmengine.hooks import Hook
from tiny_run import train

from mmattn.engine.progress import progress
from mmattn.engine.resuming.newest import newest_checkpoint
from mmattn.engine.resuming.stopping import Stopped
from mmattn.weights.training import read_training

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1)
# How a process ends that one of them stops: killed, before it can save, or after it has saved.
KILLED = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGUSR1)
STOPPED = (128 + signal.SIGTERM, 128 + signal.SIGUSR1)
# Settings of the training, and the iterations between two of its checkpoints.
SETTINGS = [(dict(), 6), (dict(by_epoch=False), 6), (dict(workers=2), 6), (dict(interval=2), 12)]


class Reached(Hook):
    """Keeps in memory of another process how many iterations are done.

    Args:
        memory: Shared memory of at least four bytes.
    """

    priority = 'VERY_LOW'

    def __init__(self, memory: mmap.mmap) -> None:
        self.memory = memory

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self.memory[:4] = struct.pack('i', runner.iter + 1)


def start(folder: Path, memory: mmap.mmap, **options) -> int:
    """Starts a training, or goes on with it, in a forked process; its number."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.setpgid(0, 0)
        torch.save(train(folder, Reached(memory), resume=True, **options), folder / 'weights.end')
        status = 0
    except Stopped as stopped:
        status = stopped.exit_status
    finally:
        os._exit(status)


def saved(folder: Path) -> int:
    """The number of iterations of the newest whole checkpoint; 0 where there is none."""
    path = newest_checkpoint(folder).path
    return read_training(path, tensors=False)['meta']['iter'] if path else 0


def soak(kills: int, each: int, seconds: float, draw: random.Random) -> tuple[dict[str, int], bool]:
    """Kills trainings.

    Args:
        kills: Number of kills.
        each: Number of kills of a training before it is left to end.
        seconds: Most seconds before a kill.
        draw: Random numbers.

    Returns:
        Counts of kills and of what came of them, and whether all is as it should be.
    """
    counts = dict.fromkeys(
        (
            'kills',
            'trainings',
            'went on',
            'failed',
            'lost more than the interval',
            'lost a checkpoint',
            'equal the uninterrupted',
        ),
        0,
    )
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    with tempfile.TemporaryDirectory() as place:
        expected = [train(Path(place, f'whole{number}'), **options) for number, (options, _) in enumerate(SETTINGS)]
        bar = iter(progress(range(kills), 'kills'))
        while counts['kills'] < kills:
            number = draw.randrange(len(SETTINGS))
            options, interval = SETTINGS[number]
            folder, before, here = Path(place, 'run'), 0, 0
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            memory[:4] = struct.pack('i', 0)
            status = None
            while status != 0:
                pid = start(folder, memory, **options)
                if here < each and counts['kills'] < kills:
                    time.sleep(draw.uniform(0, seconds))
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, draw.choice(SIGNALS))
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                if status == 0:
                    break
                if status not in (*KILLED, *STOPPED):
                    counts['failed'] += 1
                    break
                here += 1
                counts['kills'] += 1
                next(bar, None)
                reached, now = struct.unpack('i', memory[:4])[0], saved(folder)
                counts['lost more than the interval'] += reached - now > (0 if status in STOPPED else interval)
                counts['lost a checkpoint'] += now < before
                before = now
            if not here:  # it had ended before it was to be killed
                continue
            counts['trainings'] += 1
            if status == 0:
                counts['went on'] += here
                weights = torch.load(folder / 'weights.end')
                equal = all(torch.equal(weights[key], expected[number][key]) for key in expected[number])
                counts['equal the uninterrupted'] += here * equal
    well = counts['went on'] == counts['equal the uninterrupted'] == counts['kills'] and not any(
        counts[key] for key in ('failed', 'lost more than the interval', 'lost a checkpoint')
    )
    return counts, well
