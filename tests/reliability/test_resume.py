"""Runs that break off anywhere and go on: in the end they equal those that did not."""
from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from tiny_run import train

from mmattn.engine.resuming.files import UNFINISHED
from mmattn.engine.resuming.stopping import Stopped


class BreakOff(Exception):
    pass


class DoAt(Hook):
    """Calls a function after an iteration, before its checkpoint is saved."""

    priority = 'NORMAL'

    def __init__(self, iteration: int, what) -> None:
        self.iteration, self.what = iteration, what

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if runner.iter + 1 == self.iteration:
            self.what()


class DoInValidation(Hook):
    """Calls a function in the validation after so many iterations."""

    priority = 'NORMAL'

    def __init__(self, iteration: int, what) -> None:
        self.iteration, self.what = iteration, what

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if runner.iter == self.iteration and batch_idx == 1:
            self.what()


def break_off() -> None:
    raise BreakOff


def send(number: int):
    return lambda: signal.raise_signal(number)


def assert_same(first: dict, second: dict) -> None:
    assert first.keys() == second.keys()
    assert [key for key in first if not torch.equal(first[key], second[key])] == []


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """Weights of trainings that were not interrupted, by their options."""
    done = {}

    def of(**options) -> dict:
        key = str(options)
        if key not in done:
            done[key] = train(tmp_path_factory.mktemp('whole'), **options)
        return done[key]

    return of


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('by_epoch', [True, False])
@pytest.mark.parametrize('iteration', [8, 12, 23])
def test_a_run_that_broke_off_goes_on_to_the_same_weights(tmp_path, whole, workers, by_epoch, iteration):
    options = dict(workers=workers, by_epoch=by_epoch)
    with pytest.raises(BreakOff):
        train(tmp_path, DoAt(iteration, break_off), **options)
    assert_same(train(tmp_path, resume=True, **options), whole(**options))


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('by_epoch', [True, False])
@pytest.mark.parametrize(('number', 'status'), [(signal.SIGTERM, 143), (signal.SIGUSR1, 138), (signal.SIGINT, 130)])
def test_a_signal_in_mid_epoch_saves_and_the_rest_of_it_follows(tmp_path, whole, workers, by_epoch, number, status):
    options = dict(workers=workers, by_epoch=by_epoch)
    with pytest.raises(Stopped, match='--resume') as stopped:
        train(tmp_path, DoAt(9, send(number)), **options)
    assert stopped.value.exit_status == status
    assert stopped.value.checkpoint == str(tmp_path / UNFINISHED.format(9))
    assert_same(train(tmp_path, resume=True, **options), whole(**options))
    assert not list(tmp_path.glob(UNFINISHED.format('*')))


@pytest.mark.parametrize('by_epoch', [True, False])
@pytest.mark.parametrize('what', [break_off, send(signal.SIGTERM)])
def test_a_validation_that_broke_off_is_made_up(tmp_path, whole, by_epoch, what, monkeypatch):
    with pytest.raises((BreakOff, Stopped)):
        train(tmp_path, DoInValidation(12, what), by_epoch=by_epoch)
    validated = []
    resumed = train(tmp_path, DoInValidation(12, lambda: validated.append(12)), resume=True, by_epoch=by_epoch)
    assert validated == [12]
    assert_same(resumed, whole(by_epoch=by_epoch))


def test_a_signal_in_a_validation_after_which_nothing_was_saved_saves(tmp_path, whole):
    options = dict(interval=3)
    with pytest.raises(Stopped):
        train(tmp_path, DoInValidation(12, send(signal.SIGTERM)), **options)
    assert_same(train(tmp_path, resume=True, **options), whole(**options))


class KillAt:
    """An audit hook that kills its process before its n-th change of files in a folder."""

    CHANGES = ('open', 'os.rename', 'os.remove', 'os.truncate')

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.left = str(folder), number

    def __call__(self, event: str, arguments: tuple) -> None:
        if event not in self.CHANGES or not str(arguments[0]).startswith(self.folder):
            return
        if event == 'open' and (not isinstance(arguments[1], str) or not set(arguments[1]) & set('wax+')):
            return
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def in_child(function) -> int:
    """Runs a function in a forked process; its exit status, or minus the number of the signal that ended it."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            function()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_killed_before_any_change_of_a_file_a_run_goes_on_to_the_same_weights(tmp_path, whole):
    expected = whole()
    number = 0
    while True:
        number += 1
        folder = tmp_path / str(number)

        def killed(folder=folder, number=number):
            sys.addaudithook(KillAt(folder, number))
            train(folder)

        status = in_child(killed)
        if status == 0:
            break
        assert status == -signal.SIGKILL
        assert_same(train(folder, resume=True), expected)
    assert number > 30
