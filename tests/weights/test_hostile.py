"""Hostile files run nothing, and are refused in one line, in time and in bounded memory, wherever one is loaded."""
from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from hostile import network, write
from mmengine.runner.checkpoint import load_checkpoint

from mmattn.engine.loading import one_reader
from mmattn.engine.resuming.newest import checkpoint_to_go_on_from
from mmattn.errors import CheckpointError, UserError
from mmattn.weights import read_state
from mmattn.weights.loading import load_weights
from mmattn.weights.pretrained import load_pretrained
from mmattn.weights.reader import with_weights
from mmattn.weights.training import read_training

ROOT = Path(__file__).parents[2]
# Seconds of the processor, and bytes besides three times the file's, that a refusal may take.
SECONDS, MEMORY = 2, 48 * 2**20


def by_mmengine(path: Path) -> None:
    with one_reader():
        load_checkpoint(network(), str(path))


ENTRIES = {
    'load_weights': lambda path: load_weights(network(), path), 'read_state': read_state,
    'load_pretrained': lambda path: load_pretrained(network(), str(path)),
    'read_training': lambda path: with_weights(read_training(path), path),
    'one_reader': by_mmengine}


@pytest.fixture(scope='module')
def files(tmp_path_factory) -> tuple[list[Path], Path]:
    folder = tmp_path_factory.mktemp('hostile')
    return write(folder, folder / 'marker'), folder / 'marker'


@contextmanager
def peak() -> Iterator[Callable[[], int]]:
    """Bytes by which the process has grown at its largest."""
    def largest() -> int:
        lines = Path('/proc/self/status').read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith('VmHWM')).split()[1])

    try:
        Path('/proc/self/clear_refs').write_text('5')
    except OSError:
        yield lambda: 0
        return
    before = largest()
    yield lambda: largest() - before


def test_there_are_enough(files):
    assert len(files[0]) > 60 and all(path.is_file() for path in files[0])


@pytest.mark.parametrize('entry', ENTRIES)
@pytest.mark.filterwarnings('ignore')
def test_every_file_is_refused_in_one_line_and_runs_nothing(files, entry):
    paths, marker = files
    wrong = []
    for path in paths:
        start = time.process_time()
        with peak() as grown:
            try:
                ENTRIES[entry](path)
                wrong.append((path.name, 'loaded'))
            except (UserError, CheckpointError) as error:
                if '\n' in str(error) or len(str(error)) > 300 + len(str(path)):
                    wrong.append((path.name, str(error)))
            size, seconds = grown(), time.process_time() - start
        if seconds > SECONDS or size > 3 * path.stat().st_size + MEMORY:
            wrong.append((path.name, seconds, size))
        if marker.exists():
            marker.unlink()
            wrong.append((path.name, 'ran'))
    assert not wrong


def test_a_line_has_at_most_300_characters(tmp_path):
    for length in 10, 200:
        path = tmp_path / ('x' * length)
        torch.save({'state_dict': network().state_dict(), 'code': network()}, path)
        with pytest.raises(UserError) as error:
            load_weights(network(), path)
        assert len(str(error.value)) <= 300


@pytest.mark.parametrize('name', ['global_reduce', 'stack_global', 'inst', 'obj', 'eval', 'getattr', 'map', 'in_meta'])
def test_these_files_do_harm_where_they_are_trusted(files, name):
    paths, marker = files
    path = next(path for path in paths if path.stem == name)
    try:
        torch.load(path, weights_only=False)
    except Exception as error:  # noqa: BLE001  it ran before
        print(error)
    assert marker.exists()
    marker.unlink()


def test_a_hostile_file_in_a_work_folder_is_passed_over_or_refused(files, tmp_path):
    paths, marker = files
    evil = next(path for path in paths if path.stem == 'in_message_hub')
    (tmp_path / 'epoch_2.pth').write_bytes(evil.read_bytes())
    with pytest.raises(UserError, match='no checkpoint in .* to go on from: .*epoch_2.pth'):
        checkpoint_to_go_on_from(tmp_path)
    assert not marker.exists()


@pytest.mark.parametrize('tool, options, name', [
    ('test.py', (), 'in_meta'), ('train.py', ('--resume',), 'in_optimizer')])
def test_tools_refuse_with_status_2_and_one_line(files, tmp_path, tool, options, name):
    paths, marker = files
    path = next(path for path in paths if path.stem == name)
    done = subprocess.run(
        [sys.executable, f'tools/{tool}', 'configs/demo/mask_rcnn_sda_nuclei.py', *options, str(path), '--work-dir',
         str(tmp_path)], cwd=ROOT, env={**os.environ, 'PYTHONPATH': str(ROOT), 'CUDA_VISIBLE_DEVICES': ''},
        capture_output=True, text=True, timeout=300)
    *_, line = done.stderr.splitlines()
    assert done.returncode == 2 and line.startswith('error: cannot read the checkpoint') and len(line) <= 307
    assert 'Traceback' not in done.stderr and not marker.exists()
