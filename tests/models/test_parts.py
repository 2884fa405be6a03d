"""Inference on parts of a batch: the same numbers, and whole batches wherever somebody would notice."""
import io
import warnings

import pytest
import torch
from networks import images
from torch import nn

from mmattn.models.backbones import AttnResNet, parts


@pytest.fixture
def always_split(monkeypatch):
    """Every image by itself."""
    monkeypatch.setattr(parts, 'PART_BYTES', 1)
    monkeypatch.setattr(parts, 'MAPS_PER_WEIGHTS', 0)


def batch_sizes(net: nn.Module, x: torch.Tensor, name: str = 'layer1.0') -> list[int]:
    """Of the calls of a module's forward, which is watched without a hook."""
    module, sizes = net.get_submodule(name), []
    forward = module.forward

    def watched(maps):
        sizes.append(len(maps))
        return forward(maps)

    module.forward = watched
    net(x)
    del module.forward
    return sizes


@torch.no_grad()
def test_gives_what_the_whole_batch_gives(small, request):
    net, size = small
    x = images(3, 3, size + 1, size + 7)
    whole = net.backbone(x)
    request.getfixturevalue('always_split')
    for one, other in zip(net.backbone(x), whole, strict=True):
        assert one.stride() == other.stride()
        torch.testing.assert_close(one, other, rtol=0, atol=1e-4 * other.std().item())


@torch.no_grad()
def test_parts_are_even_and_as_large_as_allowed(monkeypatch):
    net = AttnResNet(depth=18).eval()
    x, map_bytes = torch.randn(7, 3, 64, 64), 64 * 16 * 16 * 4  # of an image in the first stage
    monkeypatch.setattr(parts, 'MAPS_PER_WEIGHTS', 0)
    monkeypatch.setattr(parts, 'PART_BYTES', 3.5 * parts.WORKING_MAPS * map_bytes)
    assert batch_sizes(net, x) == [3, 2, 2]
    assert batch_sizes(net, x, 'layer2.0') == [7]
    assert batch_sizes(net, x[:3]) == [3]
    net = AttnResNet(depth=18, depth_attn='mmattn.SDA').eval()  # its stages keep maps, which do not count
    assert batch_sizes(net, x, 'layer1') == [3, 2, 2]
    monkeypatch.setattr(parts, 'PART_BYTES', 1)
    assert batch_sizes(net, x, 'layer2') == [1] * 7
    monkeypatch.setattr(parts, 'MAPS_PER_WEIGHTS', 4)  # those of the second stage are larger than its maps
    assert batch_sizes(net, x, 'layer2') == [7]


def test_training_sees_the_whole_batch(always_split):
    net, x = AttnResNet(depth=18), torch.randn(3, 3, 64, 64)
    assert batch_sizes(net, x) == [3]
    with torch.no_grad():
        assert batch_sizes(net, x) == [3]  # BatchNorm takes its statistics from it
        assert batch_sizes(net.eval(), x) == [1, 1, 1]
    assert batch_sizes(net, x) == [3]  # with gradients


@torch.no_grad()
def test_hooks_see_the_whole_batch(always_split):
    net, x = AttnResNet(depth=18).eval(), torch.randn(3, 3, 64, 64)
    handle = net.layer1[1].conv2.register_forward_hook(lambda module, args, out: None)
    assert batch_sizes(net, x) == [3]
    assert batch_sizes(net, x, 'layer2.0') == [1, 1, 1]
    handle.remove()
    net.bn1.register_forward_pre_hook(lambda module, args: None)
    assert batch_sizes(net, x, 'conv1') == [3]
    assert batch_sizes(net, x) == [1, 1, 1]


@torch.no_grad()
def test_statistics_of_the_batch_are_of_all_of_it(always_split):
    net = AttnResNet(depth=18, norm_cfg=dict(type='BN', track_running_stats=False)).eval()
    assert batch_sizes(net, torch.randn(3, 3, 64, 64)) == [3]


@torch.no_grad()
def test_a_trace_is_of_the_whole_batch(always_split):
    net, x = AttnResNet(depth=18).eval(), torch.randn(2, 3, 32, 32)
    traced = torch.jit.trace(net, x)
    other = torch.randn(5, 3, 32, 32)
    torch.testing.assert_close(traced(other)[-1], net(other)[-1], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_an_empty_batch_stays_empty(small):
    net, size = small
    for out, full in zip(net.backbone(torch.randn(0, 3, size, size)), net.backbone(torch.randn(1, 3, size, size))):
        assert out.shape == (0, *full.shape[1:])


@torch.no_grad()
def test_a_trace_can_be_saved_and_loaded(small):
    net, size = small
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', torch.jit.TracerWarning)  # sizes are compared
        torch.jit.save(torch.jit.trace(net.backbone, images(2, 3, size, size)), file)
    file.seek(0)
    traced = torch.jit.load(file)
    for x in (images(2, 3, size, size), images(3, 3, size + 7, 2 * size)):
        for out, expected in zip(traced(x), net.backbone(x), strict=True):
            torch.testing.assert_close(out, expected, rtol=0, atol=1e-4 * expected.std().item())
