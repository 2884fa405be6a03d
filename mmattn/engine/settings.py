"""Settings of a run: what the options of ``tools/train.py`` and ``tools/test.py`` change in a config."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.config import Config

from mmattn.errors import UserError

from .preflight import check_output
from .resuming.newest import checkpoint_to_go_on_from
from .types import type_name


def set_work_dir(cfg: Config, config_path: str | Path, work_dir: str | None) -> None:
    """Sets the work folder: that of the command line, or else of the config, or else ``work_dirs/<config's name>``.

    Raises:
        UserError: Nothing can be written there.
    """
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(config_path).stem)
    check_output(cfg.work_dir, folder=True)


def set_resume(cfg: Config, checkpoint: str) -> tuple[str, ...]:
    """Has the training go on from a checkpoint.

    Args:
        cfg: Config of the training, its work folder set.
        checkpoint: Path of the checkpoint; 'auto' for the newest whole one in the work folder, or, where there is none
            at all, for a training that starts.

    Returns:
        Lines for the user: from where it goes on, and which newer checkpoints it cannot go on from.

    Raises:
        UserError: The work folder holds checkpoints, but none to go on from.
    """
    cfg.resume, cfg.load_from = True, checkpoint
    if checkpoint != 'auto':
        return ()
    path, lines = checkpoint_to_go_on_from(Path(cfg.work_dir))
    cfg.resume, cfg.load_from = path is not None, path and str(path)
    if path is None:
        return *lines, f'{cfg.work_dir} holds no checkpoint to go on from: the training starts'
    return *lines, f'going on from {path}'


def set_amp(cfg: Config) -> None:
    """Has the training run in mixed precision.

    Raises:
        UserError: There is no GPU, or the config's ``optim_wrapper`` is of another type.
    """
    if not torch.cuda.is_available():
        raise UserError('--amp needs a GPU, and there is none; leave it out')
    wrapper = cfg.optim_wrapper
    kind = type_name(wrapper) or 'OptimWrapper'
    if kind not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise UserError(
            f"--amp cannot be used with the config's optim_wrapper of type {kind}; leave it out, or use "
            'OptimWrapper there'
        )
    wrapper.type = 'AmpOptimWrapper'
    wrapper.setdefault('loss_scale', 'dynamic')


def set_auto_scale_lr(cfg: Config) -> None:
    """Has the learning rate scaled by the batch size over that for which the config is made.

    Raises:
        UserError: The config does not say for which batch size it is made.
    """
    if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
        raise UserError(
            '--auto-scale-lr needs the batch size that the learning rate of the config is for; add '
            '--cfg-options auto_scale_lr.base_batch_size=N'
        )
    cfg.auto_scale_lr.enable = True
