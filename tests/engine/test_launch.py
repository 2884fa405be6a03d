"""Reading of configs, and how the tools end."""

import resource
from pathlib import Path

import mmattn  # noqa: F401  isort: skip  before mmdet and mmpretrain
import pytest
import torch

from mmattn.engine import launch
from mmattn.errors import UserError
from mmattn.files import atomic_path, write_text

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    'text, overrides, said',
    [
        ('x = y', None, "cannot be read: NameError: name 'y'"),
        ('x = (', None, 'cannot be read: SyntaxError'),
        ("_base_ = 'mmdtt::a.py'", None, 'cannot be read'),
        (
            "custom_imports = dict(imports=['not_there'])",
            None,
            'imports what cannot be imported .*not_there.*; correct its custom_imports',
        ),
        ("_base_ = 'absent.py'", None, 'builds on a file that is missing'),
        ('x = dict(y=1)', {'x.y.z': 3}, '--cfg-options do not fit'),
        ("x = 'text'", {'x.z': 3}, '--cfg-options do not fit'),
        ('x = [dict(y=1)]', {'x.9.y': 3}, '--cfg-options do not fit'),
    ],
)
def test_a_config_that_cannot_be_read(tmp_path, text, overrides, said):
    path = tmp_path / 'config.py'
    path.write_text(text)
    with pytest.raises(UserError, match=said) as error:
        launch.load_config(str(path), overrides)
    assert '\n' not in str(error.value) and str(path) in str(error.value)


def test_a_file_of_another_kind_is_no_config():
    with pytest.raises(UserError, match='README.md cannot be read'):
        launch.load_config(str(ROOT / 'README.md'))


@pytest.mark.parametrize(
    'raised, status, said', [(UserError('fix it'), 2, 'error: fix it\n'), (KeyboardInterrupt(), 130, 'stopped\n')]
)
def test_what_ends_a_tool_in_one_line(monkeypatch, capsys, raised, status, said):
    def main():
        raise raised

    with pytest.raises(SystemExit) as stop:
        launch.run(main, 'stopped')
    assert stop.value.code == status and capsys.readouterr().err == said
    monkeypatch.setenv('MMATTN_DEBUG', '1')
    with pytest.raises(type(raised)):
        launch.run(main, 'stopped')


def test_faults_of_the_code_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        launch.run(lambda: 1 / 0)


def save(path):
    with atomic_path(path) as temporary:
        torch.save(torch.zeros(100_000), temporary)


@pytest.mark.parametrize('write', [lambda path: write_text('text' * 100_000, path), save])
def test_full_disk_ends_a_tool_in_one_line_and_leaves_no_file(tmp_path, capsys, write):
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, most))
    try:
        with pytest.raises(SystemExit) as stop:
            launch.run(lambda: write(tmp_path / 'out.pth'))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    said = capsys.readouterr().err
    assert stop.value.code == 1 and said.startswith('error: cannot write ') and said.count('\n') == 1
    assert 'make room' in said and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    'text, said',
    [
        ('x = 1', 'describes no model with a backbone'),
        ('x = ', 'cannot be read: SyntaxError'),
        ("default_scope = 'mmnothing'\nmodel = dict(backbone=dict(type='X'))", 'mmnothing, which is not installed'),
    ],
)
def test_a_config_without_a_network_is_refused(tmp_path, text, said):
    path = tmp_path / 'config.py'
    path.write_text(text)
    with pytest.raises(UserError, match=said):
        launch.load_network_config(path)
