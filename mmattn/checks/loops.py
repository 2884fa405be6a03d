"""The settings of the loops of a run: those that go together, and how much they train."""

from __future__ import annotations

from mmengine.config import Config
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from mmattn.errors import UserError


def check_loops(cfg: Config, training: bool) -> None:
    """Raises UserError if a loop lacks one of the settings that it needs, or the training trains nothing.

    mmengine's runner asks for them even where the loop will not run.
    """
    for split in ('train', 'val', 'test'):
        names = [f'{split}_dataloader', f'{split}_cfg', 'optim_wrapper' if split == 'train' else f'{split}_evaluator']
        lacking = [name for name in names if cfg.get(name) is None]
        if lacking and len(lacking) < len(names):
            there = [name for name in names if name not in lacking]
            raise UserError(
                f'the config has {" and ".join(there)}, but no {" and no ".join(lacking)}; add it, or go '
                f'without with {" ".join(f"{name}=None" for name in there)}'
            )
    for name in ('max_epochs', 'max_iters') if training else ():
        length = cfg.train_cfg.get(name)
        if isinstance(length, (int, float)) and length < 1:
            raise UserError(f'train_cfg.{name} is {length}, which trains nothing; give 1 or more')
    rate = _optimizer(cfg).get('lr') if training else None
    if isinstance(rate, (int, float)) and not 0 < rate < float('inf'):
        raise UserError(f'optim_wrapper.optimizer.lr is {rate}, which trains nothing; give a number above 0')
    interval = cfg.train_cfg.get('val_interval') if training else None
    if isinstance(interval, (int, float)) and interval < 1:
        raise UserError(
            f'train_cfg.val_interval is {interval}; give 1 or more, or go without an evaluation with '
            'val_dataloader=None val_cfg=None val_evaluator=None'
        )
    if training and cfg.get('val_cfg') is not None:
        _check_begin(cfg.train_cfg)


def _check_begin(train_cfg: dict) -> None:
    begin = train_cfg.get('val_begin')
    length = next((train_cfg[name] for name in ('max_epochs', 'max_iters') if train_cfg.get(name) is not None), None)
    if isinstance(begin, (int, float)) and isinstance(length, (int, float)) and begin > length:
        raise UserError(
            f'train_cfg.val_begin is {begin} and the training ends with {length}, so that nothing is ever '
            'evaluated; give a smaller one, or go without an evaluation with val_dataloader=None '
            'val_cfg=None val_evaluator=None'
        )


def _optimizer(cfg: Config) -> dict:
    settings = cfg.optim_wrapper.get('optimizer') if isinstance(cfg.get('optim_wrapper'), dict) else None
    return settings if isinstance(settings, dict) else {}


def check_saved(runner: Runner) -> None:
    """Raises UserError if the checkpoint hook of a training would never write a checkpoint.

    Args:
        runner: Runner with its training loop built.
    """
    loop = runner._train_loop
    for hook in runner.hooks:
        if not isinstance(hook, CheckpointHook) or hook.save_last or hook.save_best:
            continue
        what = 'epochs' if hook.by_epoch else 'iterations'
        length = getattr(loop, '_max_epochs' if hook.by_epoch else '_max_iters', None)
        if length is not None and not 0 < hook.interval <= length:
            raise UserError(
                f'the CheckpointHook saves every {hook.interval} {what}, save_last is off and the training '
                f'has {length}, so that nothing of it would be kept; set --cfg-options '
                'default_hooks.checkpoint.save_last=True, or a smaller interval'
            )
