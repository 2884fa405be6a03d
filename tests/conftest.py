"""Puts this folder on the path of imports, for the tables that several tests read; the option ``--device``."""

import gc

import pytest
import torch
from commands import Commands
from mmengine.logging import MMLogger


def pytest_addoption(parser):
    parser.addoption('--device', default='cpu', help='device of the tests that have one: cpu (default), cuda, cuda:1')


def pytest_collection_finish():
    """Has Python not look for garbage among what was imported, which it does often and which takes long."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope='session')
def commands():
    """Runs the command-line tools: ``commands('train.py', CONFIG)``; see `commands.Commands`."""
    running = Commands()
    yield running
    running.close()


@pytest.fixture(scope='session')
def device(request) -> torch.device:
    """The device that the option ``--device`` names."""
    return torch.device(request.config.getoption('--device'))


@pytest.fixture
def cpu_only(device) -> None:
    """Skips a test of something that PyTorch or another library has on a CPU only."""
    if device.type != 'cpu':
        pytest.skip('runs on a CPU only')


@pytest.fixture
def quiet_init():
    """init_weights logs several lines a parameter."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('ERROR')
    yield
    logger.setLevel(level)
