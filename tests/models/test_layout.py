"""The memory format of the trunk: the fastest inside, the caller's outside."""
import pytest
import torch

from mmattn.models import layout
from mmattn.models.backbones import AttnResNet
from mmattn.models.layout import format_of, in_fast_format

FORMATS = [torch.contiguous_format, torch.channels_last]


@pytest.fixture
def few_suffice(monkeypatch):
    """Small batches are treated as large ones are."""
    monkeypatch.setattr(layout, 'LEAST_POSITIONS', 0)


@pytest.mark.parametrize('size, dtype, inside', [
    ((224, 224), torch.float32, torch.channels_last),
    ((224, 223), torch.float32, torch.contiguous_format),
    ((224, 224), torch.float64, torch.contiguous_format)], ids=['large', 'small', 'double'])
def test_computes_in_the_fast_format_and_answers_in_the_callers(size, dtype, inside):
    net = AttnResNet(depth=18, attn='mmattn.SE', base_channels=8).to(dtype).eval()
    seen = set()
    for name in ('layer1.0.conv1', 'layer2.1.bn2', 'layer3.0.attn'):
        net.get_submodule(name).register_forward_hook(lambda module, args, out: seen.add(format_of(out)))
    with torch.no_grad():
        outs = net(torch.randn(2, 3, *size, dtype=dtype))
    assert seen == {inside}
    assert all(out.is_contiguous() for out in outs)


@pytest.mark.parametrize('memory_format', FORMATS, ids=str)
@pytest.mark.parametrize('training', [True, False], ids=['train', 'infer'])
@pytest.mark.usefixtures('few_suffice')
def test_outputs_have_the_format_of_the_image(memory_format, training):
    net = AttnResNet(depth=18).train(training)
    with torch.set_grad_enabled(training):
        outs = net(torch.randn(2, 3, 64, 64).contiguous(memory_format=memory_format))
    assert all(out.is_contiguous(memory_format=memory_format) for out in outs)


def test_format_of_a_map_of_one_position_is_the_default():
    assert format_of(torch.randn(2, 3, 1, 1)) == torch.contiguous_format


@pytest.mark.usefixtures('few_suffice')
def test_no_copy_where_the_format_is_right():
    x = torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    assert in_fast_format(x) is x
    double = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    assert in_fast_format(double) is double


def test_a_trace_is_made_for_large_batches():
    net = AttnResNet(depth=18, base_channels=8).eval()
    trace = torch.jit.trace(net, torch.randn(1, 3, 32, 32), strict=False)
    assert 'aten::contiguous' in str(trace.graph)
