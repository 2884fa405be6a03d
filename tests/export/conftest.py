"""Exported files that several tests read, made once, also where several processes run the tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from mmengine.utils import digit_version
from small_models import write

pytest.register_assert_rewrite('same_objects')  # its assertions say what differs

HERE = Path(__file__).parent
# Tests of what is said where nothing can be exported.
ANYWHERE = ('test_help_names_the_options_and_shows_commands', 'test_older_pytorch_is_refused_in_one_line')


def pytest_collection_modifyitems(items):
    """Skips what exports where PyTorch is too old for it."""
    if digit_version(torch.__version__) < digit_version('2.9'):
        for item in items:
            if HERE in item.path.parents and item.originalname not in ANYWHERE:
                item.add_marker(pytest.mark.skip(reason='needs PyTorch 2.9'))


@pytest.fixture(scope='session')
def made(tmp_path_factory):
    """``made(name, make)``: the folder in which ``make(folder)`` put its files, when it was first asked for."""
    root = tmp_path_factory.getbasetemp()
    if 'PYTEST_XDIST_WORKER' in os.environ:
        root = root.parent  # of all processes

    def of(name, make):
        folder = root / f'made_{name}'
        with FileLock(f'{folder}.lock'):
            if not (folder / 'done').exists():
                folder.mkdir(exist_ok=True)
                make(folder)
                (folder / 'done').touch()
        return folder

    return of


@pytest.fixture(scope='session')
def exported(made):
    """``exported(name, config)``: a folder with small.py, weights.pth and, exported from them and verified, small.onnx.

    The first argument is the config's path or another name, the second a function that returns the config.
    """
    from mmengine.config import Config

    from mmattn.export.run import Options, export

    def of(name, make_config, suffix='.onnx', **options):  # of `Options`
        def make(folder):
            config, checkpoint = write(make_config(), folder)
            export(Config.fromfile(config), checkpoint, Options(folder / f'small{suffix}', images=3, **options))

        return made(name.replace('/', '-'), make)

    return of
