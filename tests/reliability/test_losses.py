"""Trainings whose loss becomes NaN, and those whose data comes no more."""

from __future__ import annotations

import os
import signal
import time
from types import SimpleNamespace

import pytest
import torch
from test_resume import DoAt
from tiny_run import train

from mmattn.engine.failures import loader_killed
from mmattn.engine.hooks.losses import PATIENCE, LossHook, check_weights
from mmattn.engine.resuming.newest import newest_checkpoint
from mmattn.errors import RunError, UserError


class Spoil(DoAt):
    """Sets a weight to a number after an iteration, before its checkpoint is saved."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if runner.iter + 1 == self.iteration:
            with torch.no_grad():
                next(runner.model.parameters()).view(-1)[0] = self.what


@pytest.mark.parametrize('number', [float('nan'), float('inf')])
def test_a_loss_that_is_no_number_ends_the_training_with_the_last_good_checkpoint(tmp_path, number):
    with pytest.raises(RunError, match=r'in iteration 9 loss is (nan|inf).* last good checkpoint is .*epoch_1\.pth'):
        train(tmp_path, Spoil(8, number), LossHook())
    assert newest_checkpoint(tmp_path).path == tmp_path / 'epoch_1.pth'


def test_weights_that_are_no_numbers_are_not_saved(tmp_path):
    with pytest.raises(RunError, match=r'in iteration 12 .*layers.0.weight .*epoch_1\.pth'):
        train(tmp_path, Spoil(12, float('nan')), LossHook())
    assert newest_checkpoint(tmp_path).path == tmp_path / 'epoch_1.pth'


def test_a_loss_that_is_no_number_in_the_first_iteration_is_for_the_user_to_correct():
    with pytest.raises(UserError, match='in the first iteration loss is nan'):
        LossHook().after_train_iter(None, 0, outputs=dict(loss=torch.tensor(float('nan'))))


def test_with_a_loss_scaler_an_overflow_may_pass(tmp_path):
    scaler = SimpleNamespace(is_enabled=lambda: True)
    runner = SimpleNamespace(optim_wrapper=SimpleNamespace(loss_scaler=scaler), iter=3, work_dir=tmp_path)
    hook = LossHook()
    hook.after_train_iter(runner, 0, outputs=dict(loss=torch.tensor(1.0)))
    for _ in range(PATIENCE - 1):
        hook.after_train_iter(runner, 0, outputs=dict(loss=torch.tensor(float('inf'))))
    with pytest.raises(RunError, match='in iteration 4 loss is inf.* no checkpoint was saved'):
        hook.after_train_iter(runner, 0, outputs=dict(loss=torch.tensor(float('inf'))))


def test_frozen_weights_may_be_infinite():
    model = torch.nn.Linear(2, 2)
    model.bias.requires_grad_(False).fill_(float('inf'))
    check_weights(SimpleNamespace(model=model), 1)


class KillLoader(DoAt):
    """Kills a process that loads data."""

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if runner.iter == self.iteration:
            os.kill(runner.train_dataloader._iterator._workers[0].pid, signal.SIGKILL)
            time.sleep(1)


@pytest.mark.slow
def test_a_killed_process_that_loads_data_is_a_line_with_the_usual_causes(tmp_path):
    with pytest.raises(RuntimeError) as raised:
        train(tmp_path, KillLoader(7, lambda: None), workers=2)
    line = str(loader_killed(raised.value))
    assert 'memory' in line and '/dev/shm' in line and 'num_workers' in line and '\n' not in line


def test_another_error_is_none_of_a_process_that_loads_data():
    assert loader_killed(RuntimeError('CUDA error')) is None
