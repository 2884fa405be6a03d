"""Hook that says when a resumed training goes on beyond the schedule that its checkpoint was made with."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.optim import _ParamScheduler
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
    made_for = runner.message_hub.runtime_info.get('max_epochs' if by_epoch else 'max_iters', planned)
    end = max(_end(each, by_epoch, len(runner.train_dataloader)) for each in schedulers)
    if made_for >= planned or end >= planned:
        return None
    return (
        f'the checkpoint is of a training of {made_for} {unit}s, and its learning-rate schedule ends at {unit} '
        f'{end:g}: from there to {unit} {planned} the learning rate stays at its end (a cosine rises again); for a '
        'new schedule start from the weights with load_from, without --resume'
    )


def _end(scheduler: _ParamScheduler, by_epoch: bool, steps: int) -> float:
    """Where a scheduler ends, in epochs or iterations as the run counts them; mmengine gives every one an end."""
    end = min(scheduler.end, getattr(scheduler, 'T_max', scheduler.end))
    return end if scheduler.by_epoch == by_epoch else end / steps if by_epoch else end * steps
