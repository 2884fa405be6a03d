"""The switch between reference formulas and faster ways: who may take which when."""

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from mmattn import ops
from mmattn.models.attention import EMA

X = torch.randn(2, 32, 4, 5, generator=torch.Generator().manual_seed(0))


def formula_runs(module: EMA, x: torch.Tensor = X) -> bool:
    """Whether `module` calls its norm, as the formula does and the faster way does not."""
    with torch.autograd.profiler.profile() as profiler:
        module(x)
    return any(event.key == 'aten::group_norm' for event in profiler.key_averages())


def test_a_block_of_code_switches_and_leaves_everything_as_it_was():
    before = ops.faster_ways()
    with ops.use_faster(['ema']):
        assert ops.faster_ways() == ('ema',)
        with pytest.raises(KeyError), ops.use_faster(False):
            assert ops.faster_ways() == ()
            raise KeyError
        assert ops.faster_ways() == ('ema',)
    assert ops.faster_ways() == before == tuple(ops.FASTER_WAYS)


def test_a_name_that_is_none_is_refused():
    with pytest.raises(ValueError, match="no faster way 'emma', only ema, extrema"):
        ops.set_faster(['emma'])


@pytest.mark.slow
@pytest.mark.parametrize(
    'value, expected',
    [
        ('', 'ema extrema grouped_conv'),
        ('1', 'ema extrema grouped_conv'),
        ('0', ''),
        ('ema', 'ema'),
        (' grouped_conv, ema', 'ema grouped_conv'),
    ],
)
def test_the_environment_switches_at_import(value, expected):
    program = 'from mmattn import ops; print(*ops.faster_ways())'
    done = subprocess.run(
        [sys.executable, '-c', program],
        env=os.environ | dict(MMATTN_FASTER=value),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == expected


def test_on_and_off_take_the_way_that_they_name():
    module = EMA(32, 4).eval()
    with ops.use_faster(True):
        assert not formula_runs(module)
    with ops.use_faster(False):
        assert formula_runs(module)


class OwnConv(nn.Conv2d):
    """A layer of somebody else."""


def test_layers_that_somebody_listens_to_or_replaced_are_called():
    hooked, replaced, parametrised = (EMA(32, 4).eval() for _ in range(3))
    calls = []
    hooked.conv3.register_forward_hook(lambda *_: calls.append('conv3'))
    replaced.conv3 = OwnConv(8, 8, 3, padding=1)
    nn.utils.parametrizations.weight_norm(parametrised.conv3)
    assert all(formula_runs(module) for module in (hooked, replaced, parametrised)) and calls == ['conv3']


@pytest.mark.parametrize('x', [X.bfloat16(), X.half(), X.to('meta')], ids=['bfloat16', 'float16', 'meta'])
def test_other_types_and_devices_take_the_reference(x):
    module = EMA(32, 4).to(x).eval()
    if x.dtype == torch.float16 and torch.__version__ < '2.2':
        pytest.skip('torch before 2.2 has no convolution in float16 on a CPU')
    assert formula_runs(module, x)


def test_autocast_takes_the_reference():
    with torch.autocast('cpu', torch.bfloat16):
        assert formula_runs(EMA(32, 4).eval())
