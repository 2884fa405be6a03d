"""Hostile files run nothing, and are refused in one line, in time and in bounded memory, wherever one is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hostile import network, write
from hostile_commands import faults, hostile_commands
from refusals import ENTRIES, refused

from mmattn.engine.resuming.newest import checkpoint_to_go_on_from
from mmattn.errors import UserError
from mmattn.weights.loading import load_weights

# Seconds of the processor, and bytes besides three times the file's, that a refusal may take.
SECONDS, MEMORY = 2, 24 * 2**20


@pytest.fixture(scope='module')
def files(tmp_path_factory) -> tuple[list[Path], Path]:
    folder = tmp_path_factory.mktemp('hostile')
    return write(folder, folder / 'marker'), folder / 'marker'


def test_there_are_enough(files):
    assert len(files[0]) > 60 and all(path.is_file() for path in files[0])


@pytest.mark.parametrize('entry', ENTRIES)
@pytest.mark.filterwarnings('ignore')
def test_every_file_is_refused_in_one_line_and_runs_nothing(files, entry):
    paths, marker = files
    wrong = []
    for path in paths:
        refusal = refused(path, entry)
        if refusal.fault:
            wrong.append((path.name, refusal.fault))
        if refusal.seconds > SECONDS or refusal.memory > 3 * path.stat().st_size + MEMORY:
            wrong.append((path.name, refusal.seconds, refusal.memory))
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


# One file of each kind for each command; `python tests/reliability/soak.py --files` gives each file to each command.
@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'file'),
    [
        ('test', 'in_meta'),
        ('resume a file', 'in_optimizer'),
        ('resume a folder', 'in_message_hub'),
        ('resume a folder', 'bomb_keys'),
        ('load_from', 'bomb_deep_key'),
        ('init_cfg', 'in_module'),
        ('convert', 'getattr'),
        ('visualize', 'alone_legacy'),
        ('compare', 'in_weights'),
    ],
)
def test_a_tool_refuses_a_hostile_file_in_one_line_and_runs_nothing(files, commands, tmp_path, name, file):
    paths, marker = files
    path = next(path for path in paths if path.stem == file)
    done = commands(*hostile_commands(path, tmp_path)[name])
    assert not list(faults(done, marker)), done.stdout + done.stderr
