"""Trial of a run for ``--check``: built, evaluated, drawn, trained for one iteration, without a trace."""

from __future__ import annotations

import copy
import sys
import tempfile
from itertools import islice
from pathlib import Path

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import BatchSampler, DataLoader

from mmattn.engine.hooks.losses import check_losses
from mmattn.engine.hooks.schedule import beyond_schedule
from mmattn.engine.quiet import mute
from mmattn.engine.resuming.files import VALIDATED, write_note
from mmattn.engine.resuming.loops import ResumableEpochLoop, ResumableIterLoop, ResumableLoop
from mmattn.engine.runner import processes, train
from mmattn.errors import UserError

from .drawing import check_drawing
from .run import build, check_built
from .trained import load_tested

# Images of the batch that is trained on: the fewest with which a BatchNorm over pooled values can be trained.
IMAGES = 2


def try_run(cfg: Config, splits: tuple[str, ...], weights: str | Path | None = None) -> None:
    """Builds a run in a temporary work folder, and does a little of all that it will do; prints lines on what to know.

    Args:
        cfg: Config of the run, which stays as it is.
        splits: Splits that the run reads; with 'train' one iteration is trained, with at most two images.
        weights: Weights of a test.

    Raises:
        UserError: The run would raise, train on nothing or give a wrong result.
    """
    with tempfile.TemporaryDirectory(prefix='mmattn-check-') as folder:
        with mute():
            runner = build(trial_config(cfg, folder), 'none', splits)
            line = None if weights is None else load_tested(runner, weights)
        if line:
            print(line)
        check_drawing(runner, check_built(runner, splits))
        if 'train' in splits:
            _train_once(runner)
        for note in dict.fromkeys(getattr(runner, 'loading_notes', ())):
            print(note)


def trial_config(cfg: Config, folder: str) -> Config:
    """A copy that works in a folder and in this process alone, and tells no service on the network of its run.

    Args:
        cfg: Config of a run.
        folder: Folder for what the trial writes.
    """
    cfg = copy.deepcopy(cfg)
    cfg.work_dir = folder
    write_note(Path(folder), VALIDATED, str(sys.maxsize))  # no validation is to be made up
    cfg.compile = False  # takes longer than all else here
    # mmengine keeps loggers and visualizers by name for the whole process.
    cfg.experiment_name = Path(folder).name
    if isinstance(cfg.get('visualizer'), dict):
        cfg.visualizer.name = cfg.experiment_name
        if cfg.visualizer.get('vis_backends'):
            cfg.visualizer.vis_backends = [dict(type='LocalVisBackend')]
    if isinstance(cfg.get('default_hooks'), dict) and isinstance(cfg.default_hooks.get('checkpoint'), dict):
        cfg.default_hooks.checkpoint.pop('out_dir', None)
    for loader in (cfg.get(f'{split}_dataloader') for split in ('train', 'val', 'test')):
        if isinstance(loader, dict) and loader.get('num_workers', 0) > 0:
            loader.update(num_workers=0, persistent_workers=False)
            loader.pop('prefetch_factor', None)
    return cfg


class Enough(BaseException):
    """Ends a training after some iterations; no Exception, so that nothing takes it for an error."""


class _OneIteration(Hook):
    """Ends a training after one iteration, before a checkpoint is written, and looks at its losses and gradients."""

    priority = 80

    def __init__(self) -> None:
        self.unused: list[str] | None = None

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        optimizer = getattr(runner.optim_wrapper, 'optimizer', None)
        if isinstance(optimizer, Optimizer):
            # After a step the gradients are gone.
            optimizer.register_step_pre_hook(lambda *_: self._look(runner.model))

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: dict | None = None
    ) -> None:
        check_losses(outputs or {})
        if self.unused is None:  # gradients are accumulated over several iterations
            self._look(runner.model)
        raise Enough

    def _look(self, model: nn.Module) -> None:
        self.unused = [
            name for name, parameter in model.named_parameters() if parameter.requires_grad and parameter.grad is None
        ]


class _Schedule(Hook):
    """Keeps what is to be said of the schedule of a resumed training."""

    priority = 4
    line: str | None = None

    def before_train(self, runner: Runner) -> None:
        self.line = beyond_schedule(runner)


def _train_once(runner: Runner) -> None:
    loop = runner.train_loop
    if type(loop) not in (ResumableEpochLoop, ResumableIterLoop):
        return
    _shorten(loop)
    iteration, schedule = _OneIteration(), _Schedule()
    runner.register_hook(iteration)
    runner.register_hook(schedule)
    done = False
    with mute():
        try:
            train(runner)
        except Enough:
            done = True
    if schedule.line:
        print(schedule.line)
    if not done:
        print('the checkpoint has all iterations of this training: there is nothing left to train')
        return
    _check_unused(iteration.unused or [], runner.cfg)


def _shorten(loop: ResumableLoop) -> None:
    """Has a loop read only the first images of its first batch."""
    loader = loop.dataloader
    batch = next(iter(loader.batch_sampler)) if loader.batch_sampler is not None else list(islice(loader.sampler, 1))
    loop.dataloader = DataLoader(
        loader.dataset,
        batch_sampler=BatchSampler(batch[:IMAGES], IMAGES, drop_last=False),
        collate_fn=loader.collate_fn,
    )


def _check_unused(names: list[str], cfg: Config) -> None:
    """Several processes wait for the gradients of all parameters, and stop where some get none."""
    if processes() < 2:
        return
    wrapper = cfg.get('model_wrapper_cfg') or {}
    if names and not (cfg.get('find_unused_parameters') or wrapper.get('find_unused_parameters')):
        raise UserError(
            f'{len(names)} parameters get no gradient ({", ".join(names[:3])}{", …" * (len(names) > 3)}), '
            'for which several processes would wait; set find_unused_parameters=True, or leave the part '
            'out of the model'
        )
