"""Memory of freed maps is kept for the next ones."""
import os
import platform
import subprocess
import sys

import pytest

from mmattn.models.allocator import VARIABLES

# Counts page faults, one for each 4 KiB of memory that had been given back. Something small may lie between two maps
# and keep one of the next from fitting there.
FAULTS_OF_A_MAP = 20 * 2**20 // 4096
SCRIPT = """
import resource, torch
from mmattn.models.backbones import AttnResNet

def faults(run):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    run()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def maps():
    return [torch.zeros(5 * 2**20) for _ in range(8)]  # of 20 MiB

torch.set_num_threads(1)
net = AttnResNet(stage_blocks=(1,), base_channels=8, block='basic').eval()
with torch.no_grad():
    net(torch.rand(1, 3, 32, 32))
for _ in range(3):
    maps()
print(faults(maps))
"""

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='for the C library of Linux')


def faults(**variables):
    environment = {name: value for name, value in os.environ.items() if name not in (*VARIABLES, 'GLIBC_TUNABLES')}
    done = subprocess.run([sys.executable, '-c', SCRIPT], env=environment | variables, capture_output=True, text=True,
                          check=True)
    return int(done.stdout.split()[-1])


def test_memory_of_freed_maps_is_kept():
    assert faults() <= 2 * FAULTS_OF_A_MAP


@pytest.mark.parametrize('variables', [
    dict(MALLOC_TRIM_THRESHOLD_='131072'), dict(GLIBC_TUNABLES='glibc.malloc.trim_threshold=131072')], ids=str)
def test_what_the_user_has_set_stands(variables):
    assert faults(**variables) >= 7 * FAULTS_OF_A_MAP
