"""Runs that break off at any iteration and go on: in the end they equal those that did not."""
from __future__ import annotations

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from tiny_run import tiny_config


class Break(Exception):
    pass


class BreakHook(Hook):
    """Raises after an iteration, before anything is saved; or asks for a checkpoint and then raises."""
    priority = 'LOWEST'

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if runner.iter + 1 == self.iteration:
            raise Break


def trained(cfg, breaks_at: int | None = None) -> dict:
    runner = Runner.from_cfg(cfg)
    if breaks_at is not None:
        runner.register_hook(BreakHook(breaks_at))
        with pytest.raises(Break):
            runner.train()
    else:
        runner.train()
    return {**runner.model.state_dict(), **{f'ema.{k}': v for k, v in runner.hooks_ema.items()}} \
        if hasattr(runner, 'hooks_ema') else runner.model.state_dict()


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('by_epoch', [True, False])
@pytest.mark.parametrize('breaks_at', [8, 12, 23])
def test_a_run_that_goes_on_equals_one_that_was_not_interrupted(tmp_path, workers, by_epoch, breaks_at):
    def config(folder, **options):
        return tiny_config(tmp_path / folder, workers=workers, by_epoch=by_epoch, **options)

    whole = trained(config('whole'))
    trained(config('broken'), breaks_at)
    resumed = trained(config('broken', resume=True))
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
