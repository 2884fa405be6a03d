"""The tools keep the memory of freed tensors; the library changes nothing of the process that it is used in."""

import os
import pickle
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmattn.engine.process import MALLOC_VARIABLES, NOT_WEIGHTS_ONLY, SWITCH, WEIGHTS_ONLY, weights_only

ON_GLIBC = pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='for the C library of Linux')
# Prints the MiB that eight tensors of 20 MiB leave with the process when they are freed.
LEFT = """
import resource
def resident():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * resource.getpagesize()
before = resident()
tensors = [torch.zeros(5 * 2**20) for _ in range(8)]
assert resident() - before > 150 * 2**20
del tensors
print((resident() - before) // 2**20)
"""
FORWARD = """
import torch
torch.set_num_threads(1)
from mmattn import SDAResNet
net = SDAResNet(stage_blocks=(2, 1), depth=None, strides=(1, 2), dilations=(1, 1), out_indices=(1,), base_channels=8)
def step():
    net.train()(torch.rand(2, 3, 64, 64))[-1].sum().backward()
    with torch.no_grad():
        net.eval()(torch.rand(1, 3, 64, 64))
step()
"""
STATE = """
import os, signal, sys, threading, torch
import mmcv.cnn, mmengine.runner  # which change the environment
def state():
    return dict(
        threads=torch.get_num_threads(), interop=torch.get_num_interop_threads(), dtype=torch.get_default_dtype(),
        grad=torch.is_grad_enabled(), deterministic=torch.are_deterministic_algorithms_enabled(),
        mkldnn=torch.backends.mkldnn.enabled, benchmark=torch.backends.cudnn.benchmark, environment=dict(os.environ),
        python_threads=threading.active_count(), interrupt=signal.getsignal(signal.SIGINT),
        excepthook=sys.excepthook, recursion=sys.getrecursionlimit())
before = state()
"""


def run(script, **variables):
    cleared = {
        name: value for name, value in os.environ.items() if name not in (*MALLOC_VARIABLES, 'GLIBC_TUNABLES', SWITCH)
    }
    done = subprocess.run([sys.executable, '-c', script], env=cleared | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.slow
@ON_GLIBC
@pytest.mark.parametrize(
    'variables, kept',
    [
        (dict(), True),
        (dict(MMATTN_MALLOC='0'), False),
        (dict(MALLOC_TRIM_THRESHOLD_='131072'), False),
        (dict(GLIBC_TUNABLES='glibc.malloc.trim_threshold=131072'), False),
    ],
    ids=str,
)
def test_freed_memory_is_kept_unless_the_environment_says_otherwise(variables, kept):
    script = 'import torch\nfrom mmattn.engine.process import keep_freed_memory\nprint(keep_freed_memory())\n' + LEFT
    said, left = run(script, **variables)
    assert said == str(kept)
    assert int(left) > 150 if kept else int(left) < 10


@ON_GLIBC
def test_a_tool_keeps_freed_memory():
    left = run(f'import torch\nfrom mmattn.engine.launch import run\nrun(lambda: exec({LEFT!r}, globals()))')[-1]
    assert int(left) > 150


@pytest.mark.slow
@ON_GLIBC
def test_the_library_leaves_malloc_alone():
    assert int(run(FORWARD + LEFT)[-1]) < 10


def test_the_library_leaves_threads_and_switches_alone():
    run(
        STATE
        + FORWARD.replace('torch.set_num_threads(1)\n', '')
        + 'after = state()\nassert before == after, [item for item in after.items() if item not in before.items()]'
    )


@pytest.mark.slow
def test_hooks_are_imported_where_python_has_no_resource_module():
    script = "import sys\nsys.modules['resource'] = None\nfrom mmattn.engine.hooks import resources\n"
    script += 'resources.ResourceHook()\nprint(resources._peak_memory())'
    assert run(script, CUDA_VISIBLE_DEVICES='') == ['None']


@pytest.mark.parametrize(
    'variables, loads', [(dict(), False), ({WEIGHTS_ONLY: '0'}, True), ({NOT_WEIGHTS_ONLY: '1'}, True)], ids=str
)
def test_in_a_tool_torch_load_runs_nothing_unless_the_environment_says_so(tmp_path, monkeypatch, variables, loads):
    for name in (WEIGHTS_ONLY, NOT_WEIGHTS_ONLY):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    torch.save(Path('x'), tmp_path / 'x.pth')

    def load() -> Path:
        return torch.load(tmp_path / 'x.pth', weights_only=False)

    with weights_only():
        if loads:
            assert load() == Path('x')
        else:
            with pytest.raises(pickle.UnpicklingError):
                load()
    assert load() == Path('x')
