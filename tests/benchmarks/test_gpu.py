"""The GPU benchmark, in its small form on a CPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.utils import digit_version

SCRIPT = Path(__file__).resolve().parents[2] / 'benchmarks' / 'gpu.py'
NAMES = {'SDA-ResNet-50', 'EMA-ResNet-50', 'EPSANet-50', 'SPEM-ResNet-164'}

pytestmark = pytest.mark.skipif(
    digit_version(torch.__version__) < digit_version('2.4'),
    reason='torch before 2.4 has no float16 autocast on a CPU, which the checks take',
)


def run(*arguments):
    return subprocess.run([sys.executable, str(SCRIPT), *map(str, arguments)], capture_output=True, text=True)


@pytest.fixture(scope='module')
def report(tmp_path_factory):
    """The report of a small run, and its table."""
    path = tmp_path_factory.mktemp('gpu') / 'gpu.json'
    done = run('--small', '--device', 'cpu', '--only', *sorted(NAMES), '--json', path)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(path.read_text('utf-8')), path.with_suffix('.md').read_text('utf-8')


@pytest.mark.slow
def test_every_check_of_every_network_passes(report):
    checks = report[0]['checks']
    assert {check['network'] for check in checks} == NAMES
    assert len(checks) == len({(check['network'], check['check']) for check in checks}) >= 6 * len(NAMES)
    assert [check for check in checks if not check['passed']] == []


@pytest.mark.slow
def test_every_mode_is_measured_eager_and_compiled(report):
    rows = report[0]['rows']
    assert {(row['network'], row['mode'], row['compiled']) for row in rows} == {
        (name, mode, compiled)
        for name in NAMES
        for mode in ('infer', 'train', 'finetune')
        for compiled in (False, True)
    }
    assert [row for row in rows if 'error' in row or not row['images_per_second'] > 0] == []
    assert report[0]['left_out'] == []


@pytest.mark.slow
def test_report_says_what_the_figures_depend_on(report):
    content, table = report
    assert content['versions']['torch'] in table
    assert content['command'].startswith('python') and content['command'] in table
    assert content['date'] in table
    assert all(f'| {name} | compiled | ' in table for name in NAMES)


def test_what_the_time_does_not_suffice_for_is_named(tmp_path):
    done = run('--small', '--device', 'cpu', '--only', 'SPEM', '--minutes', 0, '--json', tmp_path / 'gpu.json')
    assert done.returncode == 0
    assert 'Left out, as the time was up: SPEM-ResNet-164, training, eager.' in done.stdout
    assert json.loads((tmp_path / 'gpu.json').read_text('utf-8'))['rows'] == []


def test_a_device_that_is_not_there_ends_with_one_line(tmp_path):
    done = run('--device', 'cpu', '--json', tmp_path / 'gpu.json')
    assert done.returncode == 2
    assert 'on a CPU there is only the small form: --small --device cpu' in done.stderr
