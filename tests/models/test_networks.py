"""Every network of the papers: its exact size, and that it runs wherever a ResNet does."""

import pytest
import torch
from networks import NETWORKS, images

from mmattn.registry import MODELS


@pytest.mark.slow
@pytest.mark.parametrize('name', NETWORKS)
def test_has_exactly_the_parameters_of_the_original(name):
    with torch.device('meta'):
        net = NETWORKS[name].build()
    assert sum(p.numel() for p in net.parameters()) == NETWORKS[name].parameters


@pytest.mark.slow
def test_every_parameter_gets_a_gradient(small):
    net, size = small
    state = {k: v.clone() for k, v in net.state_dict().items()}
    net.train()(images(2, 3, size, size)).square().mean().backward()
    gradients = {k: p.grad for k, p in net.named_parameters()}
    net.eval().zero_grad()
    net.load_state_dict(state)
    assert [k for k, g in gradients.items() if g is None] == []
    assert [k for k, g in gradients.items() if not g.isfinite().all()] == []


@torch.no_grad()
def test_takes_odd_sizes_and_keeps_images_apart(small):
    net, size = small
    x = images(2, 3, size + 1, size + 19)
    features, logits = net.backbone(x), net(x)
    strides = [(size + 1) / f.shape[2] for f in features]
    assert [f.shape[1] for f in features] == list(net.backbone.out_channels)
    assert strides == sorted(strides)
    assert logits.isfinite().all()
    torch.testing.assert_close(net(x[:1]), logits[:1], rtol=0, atol=1e-4 * logits.std().item())
    torch.testing.assert_close(net(x[1:]), logits[1:], rtol=0, atol=1e-4 * logits.std().item())


@torch.no_grad()
def test_is_deterministic_in_eval(small):
    net, size = small
    x = images(2, 3, size, size)
    assert torch.equal(net(x), net(x.clone()))


def has_autocast(dtype: torch.dtype) -> bool:
    try:
        with torch.autocast('cpu', dtype):
            return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
    except RuntimeError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16], ids=str)
@torch.no_grad()
def test_runs_under_autocast(small, dtype):
    net, size = small
    x = images(2, 3, size, size)
    exact = net(x)
    if not has_autocast(dtype):
        pytest.skip(f'this torch has no autocast to {dtype} on a CPU')
    with torch.autocast('cpu', dtype):
        features = net.backbone(x)
        logits = net(x)
    assert {f.dtype for f in features} == {dtype}
    tolerance = 16 * torch.finfo(dtype).eps
    assert (logits.float() - exact).square().mean().sqrt() < tolerance * exact.std()


@torch.no_grad()
def test_memory_format_changes_nothing(small):
    net, size = small
    x = images(2, 3, size, size)
    logits = net(x)
    net.to(memory_format=torch.channels_last)
    other = net(x.to(memory_format=torch.channels_last))
    net.to(memory_format=torch.contiguous_format)
    torch.testing.assert_close(other, logits, rtol=0, atol=1e-4 * logits.std().item())


@pytest.mark.parametrize('depth', [50, 86, 101, 152])
@pytest.mark.parametrize('name', ['SDAResNet', 'EPSANet', 'MSPANet', 'EMAResNet', 'SPEMResNet'])
def test_named_networks_have_every_depth(name, depth):
    with torch.device('meta'):
        net = MODELS.build(dict(type=f'mmattn.{name}', depth=depth))
    blocks = {50: (3, 4, 6, 3), 86: (5, 6, 12, 5), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}[depth]
    assert tuple(len(getattr(net, stage)) for stage in net.stage_names) == blocks
    assert net.out_channels == (256, 512, 1024, 2048)
    assert net.conv1.kernel_size == (7, 7)


@pytest.mark.parametrize('name', ['EPSANet', 'MSPANet'])
def test_unknown_size_is_explained(name):
    with pytest.raises(ValueError, match="size 'huge' is none of"):
        MODELS.build(dict(type=f'mmattn.{name}', size='huge'))


def test_arguments_win_over_presets():
    with torch.device('meta'):
        net = MODELS.build(dict(type='mmattn.EPSANet', size='large', expansion=4))
        mspa = MODELS.build(dict(type='mmattn.MSPANet', spatial=dict(type='mmattn.MSPA', scales=4)))
        spem = MODELS.build(dict(type='mmattn.SPEMResNet', stem='imagenet'))
    assert net.out_channels[0] == 512
    assert len(mspa.layer1[0].conv2.convs) == 4
    assert spem.conv1.kernel_size == (7, 7) and spem.conv1.out_channels == 16


def test_misspelt_argument_is_rejected():
    with pytest.raises(TypeError, match='depht_attn'):
        MODELS.build(dict(type='mmattn.EPSANet', depht_attn='mmattn.SDA'))
