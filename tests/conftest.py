"""Puts this folder on the path of imports, for the tables that several tests read; the option ``--device``.

A test, or a file of tests, that imports a library which this environment does not have is skipped, and so is one with a
config of such a library; where it is the package that imports it, the test fails.
"""

import gc
import sys
from typing import NoReturn

import once
import pytest
import torch
from absent import for_want_of_a_library
from commands import ROOT, Commands
from mmengine.logging import MMLogger

# Where the scripts of the tools, which tests load from their paths, find what they share.
sys.path.append(str(ROOT / 'tools'))

once.remember()


def pytest_addoption(parser):
    parser.addoption('--device', default='cpu', help='device of the tests that have one: cpu (default), cuda, cuda:1')


def pytest_collection_finish():
    """Has Python not look for garbage among what was imported, which it does often and which takes long."""
    gc.collect()
    gc.freeze()


class Module(pytest.Module):
    """A file of tests."""

    def collect(self):
        try:
            return list(super().collect())
        except self.CollectError as error:
            if for_want_of_a_library(error):
                pytest.skip(str(error.__cause__), allow_module_level=True)
            raise


def pytest_pycollect_makemodule(module_path, parent):
    return Module.from_parent(parent, path=module_path)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call():
    try:
        return (yield)
    except Exception as error:  # noqa: BLE001
        _skip_or_raise(error)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup():
    try:
        return (yield)
    except Exception as error:  # noqa: BLE001
        _skip_or_raise(error)


# Of PyTorch, in each process of the tests.
THREADS = torch.get_num_threads()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item):
    """Has a test fail that leaves another number of threads: with several, a process that is forked later hangs."""
    result = yield
    threads = torch.get_num_threads()
    if threads != THREADS:
        torch.set_num_threads(THREADS)
        pytest.fail(f'{item.nodeid} leaves {threads} threads of PyTorch instead of {THREADS}', pytrace=False)
    return result


def _skip_or_raise(error: Exception) -> NoReturn:
    if for_want_of_a_library(error):
        pytest.skip(str(error))
    raise error


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
