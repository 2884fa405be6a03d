"""A runner whose trainings can go on, for any config."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner

from mmattn.engine.types import type_name

from .loops import ResumableEpochLoop, ResumableIterLoop

LOOPS = {'EpochBasedTrainLoop': ResumableEpochLoop, 'IterBasedTrainLoop': ResumableIterLoop}


class ResumableRunner(Runner):
    """mmengine's runner, with this package's loops and checkpoint hook in place of the standard ones of a config."""

    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        if isinstance(loop, dict):
            loop = dict(loop)
            by_epoch = loop.pop('by_epoch', None) if 'type' not in loop else None
            name = type_name(loop) if by_epoch is None else 'EpochBasedTrainLoop' if by_epoch else 'IterBasedTrainLoop'
            if name in LOOPS:
                for key in ('type', '_scope_'):  # the second is of configs with a base in another package
                    loop.pop(key, None)
                return LOOPS[name](runner=self, dataloader=self._train_dataloader, **loop)
            if by_epoch is not None:
                loop['by_epoch'] = by_epoch
        return super().build_train_loop(loop)

    def register_default_hooks(self, hooks: dict[str, Hook | dict] | None = None) -> None:
        hooks = dict(hooks or {})
        checkpoint = hooks.get('checkpoint', dict(type='CheckpointHook', interval=1))  # as mmengine has it
        if isinstance(checkpoint, dict) and type_name(checkpoint) == 'CheckpointHook':
            hooks['checkpoint'] = {**checkpoint, 'type': 'mmattn.CheckpointHook'}
        super().register_default_hooks(hooks)
