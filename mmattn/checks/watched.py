"""Metrics that a training watches: for its best checkpoint, for an early end, for its learning rate."""

from __future__ import annotations

from collections.abc import Iterator

from mmengine.hooks import CheckpointHook, EarlyStoppingHook
from mmengine.runner import Runner

from mmattn.engine.failures import nodes
from mmattn.engine.types import type_name
from mmattn.errors import UserError


def check_watched(runner: Runner, values: dict[str, object]) -> None:
    """Raises UserError if a training watches a metric that its validation does not compute.

    Args:
        runner: Runner of the training.
        values: What its validation computes, by name; nothing is checked where that is not known.
    """
    for setting, name in watched(runner) if values else ():
        if name not in values:
            raise UserError(
                f"{setting} is '{name}', which val_evaluator does not compute; name one of "
                f'{", ".join(list(values)[:8])}'
            )


def watched(runner: Runner) -> Iterator[tuple[str, str]]:
    """Settings that name a metric, with the name."""
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook) and hook.save_best:
            yield from (('save_best of the CheckpointHook', name) for name in hook.key_indicators if name != 'auto')
        elif isinstance(hook, EarlyStoppingHook):
            yield 'monitor of the EarlyStoppingHook', hook.monitor
    for key, node in nodes(runner.cfg):
        if key.startswith('param_scheduler') and type_name(node).startswith('ReduceOnPlateau'):
            yield f'{key}.monitor', node.get('monitor', 'loss')
