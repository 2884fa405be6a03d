"""Spatial modules: each against its formulas written out, and the contract of the slot for all."""

import inspect

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import mmattn.models.spatial
from mmattn.models.blocks.slots import build_spatial, spatial_width
from mmattn.models.spatial import MSPA, PSA, PyConv, Res2NetConv
from mmattn.registry import MODELS

SPATIAL = {name: cls for name, cls in MODELS.module_dict.items() if cls.__module__.startswith('mmattn.models.spatial')}
every_module = pytest.mark.parametrize('name', sorted(SPATIAL))
CONTRACT = {'in_channels', 'out_channels', 'stride', 'dilation', 'first_block', 'norm_cfg'}


def in_slot(name: str, stride: int = 1, dilation: int = 1, first_block: bool = False) -> nn.Module:
    """The module as a bottleneck of 64 planes builds it."""
    cfg = dict(type=f'mmattn.{name}')
    width = spatial_width(cfg, 64, 64)
    return build_spatial(
        cfg,
        width,
        width,
        stride=stride,
        dilation=dilation,
        conv_cfg=None,
        first_block=first_block,
        norm_cfg=dict(type='BN'),
    )


def randomised(module: nn.Module) -> nn.Module:
    """In double, eval mode, with norms that are not the identity."""
    generator = torch.Generator().manual_seed(0)
    for key, value in module.state_dict().items():
        if 'bns' in key and value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
    return module.double().eval()


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.double, generator=torch.Generator().manual_seed(1))


def excite(gate: nn.Module, descriptor: torch.Tensor) -> torch.Tensor:
    """Sigmoid of two linear layers, of a descriptor (N, D)."""
    hidden = F.linear(descriptor, gate.fc1.weight[:, :, 0, 0], gate.fc1.bias).relu()
    return F.linear(hidden, gate.fc2.weight[:, :, 0, 0], gate.fc2.bias).sigmoid()


@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize(
    'options',
    [
        dict(),
        dict(kernel_sizes=(3, 5, 5, 7), groups=(2, 2, 2, 2), reduction=4),
        dict(kernel_sizes=(3, 5), groups=(1, 8)),
    ],
    ids=['default', 'large', 'two'],
)
def test_psa_is_its_formula(options, stride):
    psa = randomised(PSA(64, 64, stride=stride, **options))
    x = noise(2, 64, 11, 8)
    sizes, groups = options.get('kernel_sizes', (3, 5, 7, 9)), options.get('groups', (1, 4, 8, 16))
    maps = [
        F.conv2d(x, psa.convs[i].weight, stride=stride, padding=k // 2, groups=g)
        for i, (k, g) in enumerate(zip(sizes, groups, strict=True))
    ]
    gates = torch.stack([excite(psa.se, f.mean((2, 3))) for f in maps])
    weights = torch.exp(gates) / torch.exp(gates).sum(0)
    weighted = [a[:, :, None, None] * f for a, f in zip(weights, maps, strict=True)]
    expected = torch.cat(weighted[::-1], 1)
    torch.testing.assert_close(psa(x), expected)


@pytest.mark.parametrize('size', [(8, 8), (11, 7), (1, 1)])
@pytest.mark.parametrize('stride', [1, 2])
def test_mspa_is_its_formula(stride, size):
    mspa = randomised(MSPA(84, 84, stride=stride))
    x = noise(2, 84, *size)
    outs = []
    for i, part in enumerate(x.split(28, 1)):
        rate = 1 if stride == 1 else i + 1
        if stride == 1 and i > 0:
            part = part + outs[-1]
        outs.append(mspa.bns[i](F.conv2d(part, mspa.convs[i].weight, None, stride, rate, rate)))
    gates = []
    for y in outs:
        cells = F.adaptive_avg_pool2d(y, 2).reshape(2, 4 * 28)
        gates.append(excite(mspa.attention, torch.cat([y.mean((2, 3)), cells], 1)))
    weights = torch.stack(gates).softmax(0)
    expected = torch.cat([a[:, :, None, None] * y for a, y in zip(weights, outs, strict=True)], 1)
    torch.testing.assert_close(mspa(x), expected)


def test_mspa_at_stride_1_is_the_same_in_the_first_block():
    first, later = MSPA(84, 84, first_block=True), MSPA(84, 84)
    later.load_state_dict(first.state_dict())
    x = torch.randn(2, 84, 9, 9)
    torch.testing.assert_close(first.eval()(x), later.eval()(x), rtol=0, atol=0)


@pytest.mark.parametrize('stride, first_block', [(1, False), (1, True), (2, True)])
def test_res2net_is_its_formula(stride, first_block):
    conv = randomised(Res2NetConv(104, 104, stride=stride, first_block=first_block))
    x = noise(2, 104, 9, 12)
    splits, outs = x.split(26, 1), []
    for i in range(3):
        part = splits[i] if first_block or i == 0 else splits[i] + outs[-1]
        outs.append(conv.bns[i](F.conv2d(part, conv.convs[i].weight, None, stride, 1)).relu())
    last = F.avg_pool2d(splits[3], 3, stride, 1) if first_block else splits[3]
    torch.testing.assert_close(conv(x), torch.cat([*outs, last], 1))


def test_pyconv_is_its_formula():
    conv = PyConv(128, 128, kernel_sizes=(3, 5, 7), groups=(1, 4, 8), splits=(1, 1, 2)).double()
    x = noise(1, 128, 7, 6)
    expected = torch.cat(
        [
            F.conv2d(x, conv.convs[0].weight, padding=1),
            F.conv2d(x, conv.convs[1].weight, padding=2, groups=4),
            F.conv2d(x, conv.convs[2].weight, padding=3, groups=8),
        ],
        1,
    )
    assert [len(c.weight) for c in conv.convs] == [32, 32, 64]
    torch.testing.assert_close(conv(x), expected)


@every_module
@pytest.mark.parametrize('size', [(7, 9), (8, 8), (1, 2)])
@pytest.mark.parametrize(
    'options',
    [
        dict(),
        dict(stride=2, first_block=True),
        dict(stride=2),
        dict(first_block=True),
        dict(dilation=2),
        dict(dilation=2, stride=2, first_block=True),
    ],
    ids=str,
)
def test_replaces_a_3x3_convolution(name, options, size):
    module = in_slot(name, **options).eval()
    channels = spatial_width(dict(type=f'mmattn.{name}'), 64, 64)
    stride = options.get('stride', 1)
    out = module(torch.randn(1, channels, *size))
    assert out.shape == (1, channels, -(-size[0] // stride), -(-size[1] // stride))


@every_module
def test_dilation_spreads_the_kernel(name):
    """A point is seen from further away with dilation than without."""
    reach = []
    for dilation in (1, 3):
        torch.manual_seed(0)
        module = in_slot(name, dilation=dilation).eval()
        x = torch.zeros(1, spatial_width(dict(type=f'mmattn.{name}'), 64, 64), 61, 61)
        background = module(x)
        x[:, :, 30, 30] = 1
        seen = ((module(x) - background).abs().amax((0, 1)) > 1e-6).nonzero()
        reach.append((seen - 30).abs().max().item())
    assert reach[1] == 3 * reach[0]


@every_module
def test_options_have_one_meaning(name):
    """Constructor and width rule know the same options with the same defaults."""
    cls = SPATIAL[name]
    arguments = inspect.signature(cls).parameters
    assert set(arguments) >= CONTRACT
    assert all(p.kind is not p.VAR_KEYWORD for p in arguments.values())
    if not hasattr(cls, 'mid_channels'):
        return
    rule = dict(inspect.signature(cls.mid_channels).parameters)
    assert list(rule)[:2] == ['planes', 'base_channels']
    options = {k: p.default for k, p in arguments.items() if k not in CONTRACT}
    assert {k: p.default for k, p in list(rule.items())[2:]} == options


@every_module
def test_every_parameter_gets_a_gradient(name):
    module = in_slot(name, stride=2, first_block=True)
    x = torch.randn(2, spatial_width(dict(type=f'mmattn.{name}'), 64, 64), 9, 9, requires_grad=True)
    module(x).square().sum().backward()
    assert [k for k, p in module.named_parameters() if p.grad is None] == []
    assert x.grad.isfinite().all()


@every_module
def test_leaves_its_input_as_it_is(name):
    x = torch.randn(1, spatial_width(dict(type=f'mmattn.{name}'), 64, 64), 6, 6)
    before = x.clone()
    in_slot(name).eval()(x)
    assert torch.equal(x, before)


@every_module
def test_keeps_the_type_under_autocast(name):
    x = torch.randn(2, spatial_width(dict(type=f'mmattn.{name}'), 64, 64), 8, 8)
    module = in_slot(name)
    exact = module(x)
    with torch.autocast('cpu', torch.bfloat16):
        out = module(x.bfloat16())
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), exact, rtol=0.05, atol=0.05 * exact.abs().max().item())


@every_module
def test_memory_format_changes_nothing(name):
    module = in_slot(name, stride=2, first_block=True).double().eval()
    x = noise(2, spatial_width(dict(type=f'mmattn.{name}'), 64, 64), 7, 8)
    results = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        given = [x.clone(memory_format=memory_format).requires_grad_(), *module.parameters()]
        out = module(given[0])
        results.append([out, *torch.autograd.grad(out.square().sum(), given)])
    torch.testing.assert_close(*results)


def test_widths_follow_the_papers():
    def width(planes, base_channels, name, **options):
        return spatial_width(dict(type=f'mmattn.{name}', **options), planes, base_channels)

    assert [width(p, 64, 'MSPA', base_width=30) for p in (64, 128, 256, 512)] == [90, 180, 360, 720]
    assert [width(p, 16, 'MSPA', base_width=6) for p in (16, 32, 64)] == [18, 36, 72]
    assert width(64, 64, 'MSPA', base_width=30, groups=6) == 3 * 6 * 30
    assert [width(p, 64, 'Res2NetConv') for p in (64, 512)] == [4 * 26, 4 * 208]
    assert width(128, 64, 'PSA') == width(128, 64, 'PyConv') == 128


@pytest.mark.parametrize(
    'build, message',
    [
        (lambda: PSA(32, 32, groups=(1, 1, 1, 1)), 'leaves no hidden channel.*at most reduction=8'),
        (lambda: PSA(64, 66), 'cannot share 66'),
        (lambda: PSA(64, 64, groups=(1, 4, 8)), 'one entry for each'),
        (lambda: PSA(64, 64, groups=(1, 4, 8, 32)), '32 groups do not divide the 9x9 convolution'),
        (lambda: PSA(64, 64, kernel_sizes=(3, 4, 5, 7)), 'kernel size 4 is even'),
        (lambda: PSA(64, 64, kernel_sizes=(), groups=()), '0 kernel sizes'),
        (lambda: PyConv(64, 64, splits=(1, 1, 1, 2)), r'splits \(1, 1, 1, 2\) do not share 64'),
        (lambda: PyConv(64, 64, splits=(1, 1, 2)), 'one entry for each'),
        (lambda: PyConv(64, 64, groups=(0, 4, 8, 16)), '0 groups'),
        (lambda: MSPA(64, 64), '3 scales.*64 to 64'),
        (lambda: MSPA(84, 168), '84 to 168'),
        (lambda: MSPA(84, 84, groups=3), '3 groups'),
        (lambda: MSPA(18, 18), 'leaves no hidden channel.*at most reduction=6'),
        (lambda: Res2NetConv(104, 104, scales=1), 'at least two'),
        (lambda: Res2NetConv(64, 64, scales=5), 'splits its channels in 5'),
        (lambda: Res2NetConv(64, 128), '64 to 128'),
    ],
)
def test_bad_arguments_are_explained(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_every_file_of_the_package_is_registered():
    """What `SPATIAL` holds is what the package exports, so that no module escapes these tests."""
    exported = {getattr(mmattn.models.spatial, name) for name in mmattn.models.spatial.__all__}
    assert set(SPATIAL.values()) == exported
