"""The tiny training in several processes, one of which has an accident.

python -m mmattn.engine.torchrun … tiny_job.py FOLDER [ACCIDENT] [--rank 1] [--at 8] [--always] [--resume]
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from contextlib import nullcontext
from pathlib import Path

import torch
from mmengine.hooks import Hook
from tiny_run import tiny_config

from mmattn.checks.rank import is_first
from mmattn.engine import launch, runner
from mmattn.engine.processes import is_restarted
from mmattn.engine.resuming.lock import locked
from mmattn.engine.settings import set_resume
from mmattn.errors import UserError


class Accident(Hook):
    """What happens to a process in an iteration, and how long each iteration takes."""

    def __init__(self, args: argparse.Namespace, happens: bool) -> None:
        self.args, self.happens = args, happens

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        print(f'iteration {runner.iter}', flush=True)
        time.sleep(self.args.seconds)
        if self.happens and runner.iter == self.args.at and runner.rank == self.args.rank:
            getattr(self, self.args.accident)(runner)

    def kill(self, runner) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def kill_loader(self, runner) -> None:
        iterator = runner.train_dataloader._iterator
        os.kill(iterator._workers[0].pid, signal.SIGKILL)
        time.sleep(1)

    def error(self, runner) -> None:
        raise ZeroDivisionError('no number\nat all')

    def user_error(self, runner) -> None:
        raise UserError('this can be corrected')

    def hang(self, runner) -> None:
        time.sleep(60)

    def nan(self, runner) -> None:
        with torch.no_grad():
            next(runner.model.parameters()).fill_(float('nan'))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('folder')
    parser.add_argument('accident', nargs='?')
    parser.add_argument('--rank', type=int, default=1)
    parser.add_argument('--at', type=int, default=8)
    parser.add_argument('--always', action='store_true')
    parser.add_argument('--resume', action='store_true')
    parser.add_argument('--workers', type=int, default=0)
    parser.add_argument('--seconds', type=float, default=0.02)
    parser.add_argument('--launcher', default='none')
    args = parser.parse_args()
    cfg = tiny_config(args.folder, workers=args.workers, max_epochs=8)
    if args.resume or is_restarted():
        set_resume(cfg, 'auto')
    with locked(Path(args.folder)) if is_first(args.launcher) else nullcontext():
        built = runner.build_runner(cfg, args.launcher, ('train', 'val'))
        built.register_hook(Accident(args, args.accident is not None and (args.always or not is_restarted())))
        runner.train(built)


if __name__ == '__main__':
    launch.run(main)
