"""Kills trainings at random times, many times over, and counts what becomes of them.

Each training is killed by SIGKILL, SIGTERM or SIGUSR1 after a random time, goes on by --resume alone, may be killed
again, and in the end its weights are compared with those of one that was not interrupted.

Example: python tests/reliability/soak.py --kills 200
"""
from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch
from tiny_run import train

from mmattn.engine.progress import progress
from mmattn.engine.resuming.newest import newest_checkpoint
from mmattn.engine.resuming.stopping import Stopped
from mmattn.weights.training import read_training

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1)
SETTINGS = [dict(), dict(by_epoch=False), dict(workers=2), dict(interval=2)]


def start(folder: Path, **options) -> int:
    """Starts a training, or goes on with it, in a forked process; its number."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.setpgid(0, 0)
        torch.save(train(folder, resume=True, **options), folder / 'weights.end')
        status = 0
    except Stopped as stopped:
        status = stopped.exit_status
    finally:
        os._exit(status)


def iteration(folder: Path) -> int:
    """The number of iterations of the newest whole checkpoint; 0 where there is none."""
    path = newest_checkpoint(folder).path
    return read_training(path, tensors=False)['meta']['iter'] if path else 0


def soak(kills: int, seconds: float, draw: random.Random) -> dict[str, int]:
    """Counts: kills; runs that ended, that equal the uninterrupted one, and that lost a checkpoint they had."""
    counts = dict(kills=0, runs=0, equal=0, lost=0, failed=0)
    with tempfile.TemporaryDirectory() as place:
        expected = [train(Path(place, f'whole{number}'), **options) for number, options in enumerate(SETTINGS)]
        bar = iter(progress(range(kills), 'kills'))
        while counts['kills'] < kills:
            number = draw.randrange(len(SETTINGS))
            folder, saved = Path(place, 'run'), 0
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            while True:
                pid = start(folder, **SETTINGS[number])
                if counts['kills'] < kills:
                    time.sleep(draw.uniform(0, seconds))
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, draw.choice(SIGNALS))
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                if status == 0:
                    break
                counts['kills'] += 1
                next(bar, None)
                if status not in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGUSR1, 143, 138):
                    counts['failed'] += 1
                now = iteration(folder)
                counts['lost'] += now < saved
                saved = now
            counts['runs'] += 1
            weights = torch.load(folder / 'weights.end')
            counts['equal'] += all(torch.equal(weights[key], expected[number][key]) for key in weights)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=200, help='number of kills (default: 200)')
    parser.add_argument('--seconds', type=float, default=1.5, help='most seconds before a kill (default: 1.5)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the random times (default: 0)')
    options = parser.parse_args()
    counts = soak(options.kills, options.seconds, random.Random(options.seed))
    print(*(f'{name}: {count}' for name, count in counts.items()), sep='\n')
    sys.exit(counts['equal'] != counts['runs'] or counts['lost'] > 0 or counts['failed'] > 0)


if __name__ == '__main__':
    main()
