"""Memory of freed maps is kept for the next ones."""
import os
import platform
import subprocess
import sys

import pytest

from mmattn.models.allocator import VARIABLES

# Prints the MiB that eight maps of 20 MiB leave with the process when they are gone.
SCRIPT = """
import resource, torch
from mmattn.models.backbones import AttnResNet

def resident():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * resource.getpagesize()

torch.set_num_threads(1)
net = AttnResNet(stage_blocks=(1,), base_channels=8, block='basic').eval()
with torch.no_grad():
    net(torch.rand(1, 3, 32, 32))
before = resident()
maps = [torch.zeros(5 * 2**20) for _ in range(8)]
assert resident() - before > 150 * 2**20
del maps
print((resident() - before) // 2**20)
"""

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='for the C library of Linux')


def kept(**variables):
    environment = {name: value for name, value in os.environ.items() if name not in (*VARIABLES, 'GLIBC_TUNABLES')}
    done = subprocess.run([sys.executable, '-c', SCRIPT], env=environment | variables, capture_output=True, text=True,
                          check=True)
    return int(done.stdout.split()[-1])


def test_memory_of_freed_maps_is_kept():
    assert kept() > 150


@pytest.mark.parametrize('variables', [
    dict(MALLOC_TRIM_THRESHOLD_='131072'), dict(GLIBC_TUNABLES='glibc.malloc.trim_threshold=131072')], ids=str)
def test_what_the_user_has_set_stands(variables):
    assert kept(**variables) < 10
