"""Trainings in several processes: how they end when one of them, their launcher or the machine does not do its part."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.utils import digit_version

from mmattn.engine import notes, torchrun
from mmattn.engine.processes import timeout_of
from mmattn.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
JOB = Path(__file__).with_name('tiny_job.py')
TWO = ['--standalone', '--nnodes', '1', '--nproc_per_node', '2']


class Job:
    """A training in two processes that is started at once; its output goes to files, which nothing has to read."""

    def __init__(self, folder: Path, *arguments, restarts: int = 0, **variables) -> None:
        self.folder, self.out, self.err = folder / 'work', folder / 'out', folder / 'err'
        environment = {
            **os.environ,
            'PYTHONPATH': str(ROOT),
            'OMP_NUM_THREADS': '1',
            'MKL_NUM_THREADS': '1',
            'CUDA_VISIBLE_DEVICES': '',
            'MMATTN_DEBUG': '0',
            **variables,
        }
        with open(self.out, 'w') as out, open(self.err, 'w') as err:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    '-m',
                    'mmattn.engine.torchrun',
                    *TWO,
                    '--max_restarts',
                    str(restarts),
                    str(JOB),
                    str(self.folder),
                    *map(str, arguments),
                    '--launcher',
                    'pytorch',
                ],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def wait_for(self, text: str) -> float:
        """Waits until the job has printed something; the time at which it has."""
        while text not in self.out.read_text():
            assert self.process.poll() is None, self.err.read_text()
            time.sleep(0.05)
        return time.monotonic()

    def end(self, timeout: float = 120) -> tuple[int, list[str]]:
        """Waits for the end, so many seconds at most; the exit status and the lines on stderr.

        Warnings of what mmengine imports, which some versions of torch show whatever is said of them, are left out.
        """
        status = self.process.wait(timeout)
        lines = self.err.read_text().splitlines()
        return status, [line for line in lines if 'Warning: ' not in line and not line.startswith('  ')]

    def workers(self) -> list[int]:
        children = Path(f'/proc/{self.process.pid}/task/{self.process.pid}/children').read_text()
        return [int(pid) for pid in children.split()]


def is_running(pid: int) -> bool:
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


needs_linux = pytest.mark.skipif(sys.platform != 'linux', reason='asks Linux for processes')


@pytest.mark.slow
def test_after_a_killed_process_all_start_again_and_end_with_0(tmp_path):
    status, lines = Job(tmp_path, 'kill', restarts=1).end()
    assert status == 0
    assert len(lines) == 1
    assert lines[0].startswith('rank 1 was ended by SIGKILL')
    assert lines[0].endswith('all processes start again from the newest checkpoint (restart 1 of 1)')
    assert (tmp_path / 'work/epoch_8.pth').is_file()
    iterations = (tmp_path / 'out').read_text().split('iteration ')[1:]
    assert sorted(map(int, iterations)) == sorted([*range(9), *range(9), *range(6, 24), *range(6, 24)])


@pytest.mark.slow
def test_a_killed_process_ends_the_job_in_seconds_with_a_line(tmp_path):
    job = Job(tmp_path, 'kill')
    start = job.wait_for('iteration 8')
    status, lines = job.end()
    assert time.monotonic() - start < 10
    assert status == 1
    assert len(lines) == 1
    assert lines[0].startswith('error: rank 1 was ended by SIGKILL') and '--resume' in lines[0]
    assert Path(lines[0].partition('; log: ')[2]).is_file()


@pytest.mark.slow
def test_an_error_in_a_process_is_a_line_with_its_traceback_in_a_file(tmp_path):
    status, lines = Job(tmp_path, 'error').end()
    assert status == 1
    assert len(lines) == 1
    assert lines[0].startswith('error: rank 1 failed: ZeroDivisionError: no number at all; traceback: ')
    trace = Path(lines[0].partition('traceback: ')[2].partition(';')[0]).read_text()
    assert 'in error' in trace and trace.rstrip().endswith('at all')


@pytest.mark.slow
def test_what_a_user_can_correct_is_said_once_and_not_started_again(tmp_path):
    status, lines = Job(tmp_path, 'user_error', restarts=3).end()
    assert (status, lines) == (2, ['error: this can be corrected (rank 1)'])


@pytest.mark.slow
def test_a_process_that_hangs_is_named(tmp_path):
    status, lines = Job(tmp_path, 'hang', MMATTN_TIMEOUT='2').end()
    assert status == 1
    assert len(lines) == 1
    # PyTorch 2.1 does not say which.
    who = 'rank 1' if digit_version(torch.__version__) >= digit_version('2.2') else 'another process'
    assert lines[0].startswith(f'error: {who} did not come to an operation of all processes in time')
    assert 'MMATTN_TIMEOUT' in lines[0]


@pytest.mark.slow
def test_a_signal_to_the_launcher_lets_the_processes_save(tmp_path):
    job = Job(tmp_path, '--seconds', 0.3)
    job.wait_for('iteration 4')
    job.process.send_signal(signal.SIGTERM)
    status, lines = job.end()
    assert status == 143
    assert lines[0].startswith('stopping: ')
    assert lines[1:] == [
        f'stopped by SIGTERM; saved {tmp_path}/work/unfinished_iter_5.pth; to go on, give the same '
        'command with --resume'
    ]


@pytest.mark.slow
@needs_linux
def test_processes_save_and_end_when_their_launcher_is_killed(tmp_path):
    job = Job(tmp_path, '--seconds', 0.3)
    job.wait_for('iteration 4')
    workers = job.workers()
    assert len(workers) == 2
    job.process.kill()
    end = time.monotonic() + 10
    while any(map(is_running, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(is_running, workers))
    assert (tmp_path / 'work/unfinished_iter_5.pth').is_file()
    assert 'stopped by SIGTERM; saved' in (tmp_path / 'err').read_text()


def test_a_port_in_use_is_a_line(monkeypatch, capsys):
    monkeypatch.setenv(notes.FOLDER, '')
    with socket.socket() as taken:
        taken.bind(('', 0))
        taken.listen()
        port = taken.getsockname()[1]
        place = ['--nnodes', '1', '--node_rank', '0', '--master_addr', '127.0.0.1', '--master_port', str(port)]
        assert torchrun.main([*place, '--nproc_per_node', '2', str(JOB)]) == 2
    assert capsys.readouterr().err.startswith(f'error: port {port} cannot be used (Address already in use); set PORT')


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(notes.FOLDER, str(tmp_path))
    return tmp_path


def test_a_job_ends_with_the_line_of_the_process_that_failed_first(folder):
    notes.leave(notes.Note(0, 'error: lost', 1, follows=True))
    notes.leave(notes.Note(2, 'error: first', 1, final=True))
    notes.leave(notes.Note(3, 'error: second', 1))
    notes.leave(notes.Note(1, 'stopped', 143, stopped=True))
    assert torchrun.ending({0: 1, 3: 1}) == ('error: first', 1, True)


def test_a_job_that_was_stopped_ends_with_the_status_of_the_signal(folder):
    notes.leave(notes.Note(1, 'stopped', 143, stopped=True, final=True))
    assert torchrun.ending({1: 143}) == ('stopped', 143, True)


def test_a_killed_process_is_named_before_those_that_lost_it(folder, monkeypatch):
    monkeypatch.setenv('RANK', '0')
    notes.leave_log('here.log')
    notes.leave(notes.Note(0, 'error: lost', 1, follows=True))
    line, status, final = torchrun.ending({0: 1, 1: -signal.SIGSEGV})
    assert line.startswith('error: rank 1 was ended by SIGSEGV') and line.endswith('; log: here.log')
    assert (status, final) == (1, False)


def test_a_process_without_a_note_is_named_with_its_status(folder):
    assert torchrun.ending({1: 7, 2: 7}) == ('error: rank 1 ended with exit status 7', 7, False)


@pytest.mark.parametrize(
    ('variable', 'config', 'seconds'), [(None, {}, 1800), (None, dict(timeout=60), 60), ('5', dict(timeout=60), 5)]
)
def test_the_time_to_wait_is_that_of_the_environment_then_of_the_config(monkeypatch, variable, config, seconds):
    monkeypatch.delenv('MMATTN_TIMEOUT', raising=False)
    if variable:
        monkeypatch.setenv('MMATTN_TIMEOUT', variable)
    assert timeout_of(dict(env_cfg=dict(dist_cfg=config))) == seconds


@pytest.mark.parametrize('value', ['soon', '0', '-3'])
def test_a_time_to_wait_that_is_none_is_refused(monkeypatch, value):
    monkeypatch.setenv('MMATTN_TIMEOUT', value)
    with pytest.raises(UserError, match='positive number of seconds'):
        timeout_of({})
