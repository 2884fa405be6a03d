"""Hook that says when a resumed training goes on beyond the schedule that its checkpoint was made with."""
from __future__ import annotations

import math

from mmengine.hooks import Hook
from mmengine.optim.scheduler.param_scheduler import INF
from mmengine.runner import Runner


class ScheduleHook(Hook):
    """Warns that the learning rate stays at the end of its schedule for the rest of a resumed training.

    A checkpoint holds its schedulers as they were, so that neither a larger ``max_epochs`` nor a later ``end`` in the
    config stretches them.
    """

    # Before RuntimeInfoHook, which overwrites what the checkpoint says of its run.
    priority = 5

    def before_train(self, runner: Runner) -> None:
        line = beyond_schedule(runner)
        if line:
            runner.logger.warning(line)


def beyond_schedule(runner: Runner) -> str | None:
    """A line on a resumed training that has more epochs (or iterations) than its schedule; None if it has not.

    Args:
        runner: Runner that has resumed a checkpoint, before its ``RuntimeInfoHook`` was called.
    """
    schedulers = runner.param_schedulers
    lists = schedulers.values() if isinstance(schedulers, dict) else [schedulers]
    schedulers = [each for part in lists if isinstance(part, (list, tuple)) for each in part]
    if runner.iter == 0 or not schedulers:
        return None
    by_epoch = runner.epoch > 0
    unit, planned = ('epoch', runner.max_epochs) if by_epoch else ('iteration', runner.max_iters)
    made_for = runner.message_hub.runtime_info.get('max_epochs' if by_epoch else 'max_iters', math.inf)
    end = max(_end(each, by_epoch, len(runner.train_dataloader), made_for) for each in schedulers)
    if made_for >= planned or end >= planned:
        return None
    return (f"the learning-rate schedule of the checkpoint was made for {made_for} {unit}s and ends at {unit} {end:g}: "
            f'from there to {unit} {planned} the learning rate stays at its end (a cosine rises again); for a new '
            'schedule start from the weights with load_from, without --resume')


def _end(scheduler: object, by_epoch: bool, steps: int, made_for: float) -> float:
    """Where a scheduler ends, in epochs or iterations as the run counts them.

    One without an end is taken to end with the run that it was made for, unless it has a milestone after that.
    """
    end = min(scheduler.end, getattr(scheduler, 'T_max', INF))
    without_end = end >= INF
    if without_end:
        end = max(getattr(scheduler, 'milestones', {}) or [0])
    if scheduler.by_epoch != by_epoch:
        end = end / steps if by_epoch else end * steps
    return end if not without_end else made_for if end <= made_for else math.inf
