"""Runs that break off anywhere and go on: in the end they equal those that did not."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import traceback
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from tiny_run import train

from mmattn.engine.resuming.files import UNFINISHED
from mmattn.engine.resuming.newest import checkpoint_to_go_on_from, newest_checkpoint
from mmattn.engine.resuming.stopping import Stopped
from mmattn.errors import RunError, UserError


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
def two_epochs(tmp_path_factory):
    folder = tmp_path_factory.mktemp('two_epochs')
    train(folder, max_epochs=2, keep=2)
    return folder


@pytest.fixture
def checkpoints(two_epochs, tmp_path):
    """A folder with the checkpoints of two epochs."""
    return shutil.copytree(two_epochs, tmp_path / 'checkpoints')


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


@pytest.mark.slow
@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('by_epoch', [True, False])
@pytest.mark.parametrize('iteration', [8, 12, 23])
def test_a_run_that_broke_off_goes_on_to_the_same_weights(tmp_path, whole, workers, by_epoch, iteration):
    options = dict(workers=workers, by_epoch=by_epoch)
    with pytest.raises(BreakOff):
        train(tmp_path, DoAt(iteration, break_off), **options)
    assert_same(train(tmp_path, resume=True, **options), whole(**options))


@pytest.mark.slow
@pytest.mark.parametrize(
    ('number', 'status', 'workers'),
    [(signal.SIGTERM, 143, 0), (signal.SIGTERM, 143, 2), (signal.SIGUSR1, 138, 0), (signal.SIGINT, 130, 0)],
)
@pytest.mark.parametrize('by_epoch', [True, False])
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


@pytest.mark.parametrize('by_epoch', [True, False])
def test_a_signal_in_a_validation_that_is_made_up_changes_nothing(tmp_path, whole, by_epoch):
    with pytest.raises(BreakOff):
        train(tmp_path, DoInValidation(12, break_off), by_epoch=by_epoch)
    with pytest.raises(Stopped):
        train(tmp_path, DoInValidation(12, send(signal.SIGTERM)), resume=True, by_epoch=by_epoch)
    assert_same(train(tmp_path, resume=True, by_epoch=by_epoch), whole(by_epoch=by_epoch))


def test_a_signal_in_a_validation_after_which_nothing_was_saved_saves(tmp_path, whole):
    options = dict(interval=3)
    with pytest.raises(Stopped):
        train(tmp_path, DoInValidation(12, send(signal.SIGTERM)), **options)
    assert_same(train(tmp_path, resume=True, **options), whole(**options))


def in_children(function, processes: int = 1) -> list[int]:
    """Runs a function of a rank in forked processes; their exit statuses, or minus the number of the signal."""
    sys.stdout.flush()
    pids = []
    for rank in range(processes):
        pids.append(os.fork())
        if not pids[-1]:
            status = 1
            try:
                function(rank)
                status = 0
            except Stopped as error:
                status = error.exit_status
            except BaseException:  # noqa: BLE001  pytest must not have it in two processes
                traceback.print_exc()
            finally:
                os._exit(status)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def train_on_two(folder: Path, *hooks, **options) -> list[int]:
    """Trains on two processes over gloo, each of which leaves its weights in the folder; their exit statuses."""
    folder.mkdir(exist_ok=True)
    store = folder / f'store{len(list(folder.iterdir()))}'

    def rank(number: int) -> None:
        os.environ['LOCAL_RANK'] = str(number)
        torch.distributed.init_process_group('gloo', init_method=f'file://{store}', rank=number, world_size=2)
        torch.save(train(folder, *hooks, **options), folder / f'rank{number}.weights')

    return in_children(rank, 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('by_epoch', 'what', 'status'),
    [(True, lambda: os._exit(7), 7), (False, lambda: os._exit(7), 7), (True, send(signal.SIGTERM), 143)],
)
def test_two_processes_go_on_to_the_same_weights(tmp_path, by_epoch, what, status):
    assert train_on_two(tmp_path / 'whole', by_epoch=by_epoch) == [0, 0]
    assert train_on_two(tmp_path / 'broken', DoAt(9, what), by_epoch=by_epoch) == [status, status]
    assert train_on_two(tmp_path / 'broken', resume=True, by_epoch=by_epoch) == [0, 0]
    for rank in (0, 1):
        first, second = (torch.load(tmp_path / folder / f'rank{rank}.weights') for folder in ('whole', 'broken'))
        assert_same(first, second)


class BeforeEachChange:
    """An audit hook that calls a function before each change of a file in a folder."""

    CHANGES = ('open', 'os.rename', 'os.remove', 'os.truncate')

    def __init__(self, folder: Path, what) -> None:
        self.folder, self.what = str(folder), what

    def __call__(self, event: str, arguments: tuple) -> None:
        if event not in self.CHANGES or not str(arguments[0]).startswith(f'{self.folder}/'):
            return
        if event == 'open' and (not isinstance(arguments[1], str) or not set(arguments[1]) & set('wax+')):
            return
        self.what()


def files_in(folder: Path) -> set[str]:
    """Names of checkpoints and notes; those of logs and configs have the time in them."""
    return {path.name for path in folder.iterdir() if path.is_file() and path.suffix != '.py'}


@pytest.fixture(scope='module')
def killed(tmp_path_factory):
    """The work folder of a training, and copies of it from before each change of a file: what a kill then leaves."""
    folder, copies = tmp_path_factory.mktemp('killed') / 'work', tmp_path_factory.mktemp('copies')

    def copied(_rank) -> None:
        change = BeforeEachChange(folder, lambda: shutil.copytree(folder, copies / f'{len(list(copies.iterdir())):03}'))
        sys.addaudithook(change)
        train(folder, max_epochs=2)

    assert in_children(copied) == [0]
    return folder, sorted(copies.iterdir())


@pytest.mark.slow
def test_killed_before_any_change_of_a_file_a_run_goes_on_to_the_same_weights(killed, whole):
    folder, copies = killed
    assert len(copies) > 20
    for left in copies:
        shutil.rmtree(folder)
        shutil.copytree(left, folder)
        assert_same(train(folder, resume=True, max_epochs=2), whole(max_epochs=2))


@pytest.mark.slow
def test_a_kill_leaves_the_files_of_the_copy_from_that_moment(killed, tmp_path):
    _, copies = killed
    number = 3 * len(copies) // 4
    left = iter(range(number))

    def killed_late(_rank) -> None:
        def kill() -> None:
            if next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(BeforeEachChange(tmp_path / 'work', kill))
        train(tmp_path / 'work', max_epochs=2)

    assert in_children(killed_late) == [-signal.SIGKILL]
    assert files_in(tmp_path / 'work') == files_in(copies[number])


class FailingDisk:
    """Has each checkpoint that is written while it is there fail as on a full disk."""

    def __init__(self, monkeypatch) -> None:
        self.full = False
        write = torch.save

        def save(content, file, *args, **kwargs):
            if self.full:
                raise OSError(28, 'No space left on device')
            write(content, file, *args, **kwargs)

        monkeypatch.setattr('mmengine.runner.checkpoint.torch.save', save)

    def fill(self) -> None:
        self.full = True

    def clear(self) -> None:
        self.full = False


def test_on_a_full_disk_the_training_goes_on_and_the_earlier_checkpoint_stays(tmp_path, monkeypatch, whole):
    disk = FailingDisk(monkeypatch)
    weights = train(tmp_path, DoAt(8, disk.fill), DoAt(20, disk.clear))
    assert_same(weights, whole())
    assert newest_checkpoint(tmp_path).path == tmp_path / 'epoch_4.pth'


def test_if_the_last_checkpoint_cannot_be_saved_the_run_fails_and_the_earlier_one_stays(tmp_path, monkeypatch):
    disk = FailingDisk(monkeypatch)
    with pytest.raises(RunError, match='epoch_4.pth.*No space left'):
        train(tmp_path, DoAt(20, disk.fill))
    assert newest_checkpoint(tmp_path).path == tmp_path / 'epoch_3.pth'
    assert not list(tmp_path.glob('.*.partial'))


def damage_end(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def damage_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def damage_all(path: Path) -> None:
    path.write_bytes(b'')


@pytest.mark.parametrize('damage', [damage_end, damage_bit, damage_all])
@pytest.mark.parametrize('note', [None, b'', b'\0\0', b'\xff\xfe', b'elsewhere/epoch_9.pth'])
def test_a_damaged_checkpoint_is_passed_over_for_an_older_one(checkpoints, damage, note):
    (checkpoints / 'last_checkpoint').unlink(missing_ok=True)
    if note is not None:
        (checkpoints / 'last_checkpoint').write_bytes(note)
    damage(checkpoints / 'epoch_2.pth')
    newest = newest_checkpoint(checkpoints)
    assert newest.path == checkpoints / 'epoch_1.pth'
    (line,) = newest.passed_over
    assert 'epoch_2.pth is damaged' in line and len(line) < 300


def test_a_folder_of_which_nothing_is_whole_is_refused(checkpoints):
    for path in checkpoints.glob('*.pth'):
        damage_end(path)
    with pytest.raises(UserError, match='no checkpoint.*to go on from.*damaged.*2 more'):
        checkpoint_to_go_on_from(checkpoints)


def test_an_empty_folder_has_nothing_to_go_on_from(tmp_path):
    assert checkpoint_to_go_on_from(tmp_path) == (None, ())


def test_checkpoints_of_an_older_training_in_the_folder_are_passed_over(checkpoints):
    with pytest.raises(BreakOff):
        train(checkpoints, DoAt(8, break_off), keep=2, max_epochs=2)
    newest = newest_checkpoint(checkpoints)
    assert newest.path == checkpoints / 'epoch_1.pth'
    assert newest.passed_over == (f'{checkpoints / "epoch_2.pth"} is of an older training in this folder',)


def test_a_training_that_starts_afresh_leaves_no_old_note(checkpoints):
    with pytest.raises(BreakOff):
        train(checkpoints, DoAt(3, break_off))
    assert not (checkpoints / 'last_checkpoint').exists()
    with pytest.raises(UserError, match='of an older training'):
        checkpoint_to_go_on_from(checkpoints)


def test_a_checkpoint_of_another_model_is_refused_unless_forced(checkpoints):
    with pytest.raises(UserError, match='another training.*--force'):
        train(checkpoints, resume=True, model=dict(type='TinyModel', dropout=0.1))
    train(checkpoints, resume=True, model=dict(type='TinyModel', dropout=0.1), resume_forced=True, max_epochs=2)
