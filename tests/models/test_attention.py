"""Every registered attention module: its contract, and its numbers against a written-out formula.

The tests of the contract run over the registry, so that a new module is tested by being registered.
"""

import copy
import math
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import mmattn.models.attention  # noqa: F401
from mmattn.models.attention.fca import TOP_FREQUENCIES, dct_basis
from mmattn.registry import MODELS

NAMES = sorted(
    name for name, cls in MODELS.module_dict.items() if cls.__module__.startswith('mmattn.models.attention.')
)
CHANNELS = 128
# a softmax does not see what is added to all of its inputs
NO_GRADIENT = {('GC', 'mask.bias')}


def build(name, in_channels=CHANNELS, **options):
    return MODELS.build(dict(type=f'mmattn.{name}', in_channels=in_channels, **options))


def scrambled(name, in_channels=CHANNELS, **options):
    """A module away from its start, where many parameters are zero, with the statistics of some training."""
    torch.manual_seed(0)
    module = build(name, in_channels, **options)
    with torch.no_grad():
        for key, value in module.state_dict().items():
            if key.endswith('running_var'):
                value.uniform_(0.5, 2)
            elif value.is_floating_point() and key != 'gate':
                value.add_(torch.randn_like(value), alpha=0.3)
    return module


def random_map(*shape, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


def relative(a, b):
    return ((a - b).abs().max() / b.abs().max()).item()


def test_all_modules_are_registered():
    assert set(NAMES) >= {
        'SE',
        'ECA',
        'CBAM',
        'BAM',
        'FCA',
        'SA',
        'GC',
        'CoordAttention',
        'SimAM',
        'TripletAttention',
        'NAM',
        'EMA',
        'SPEM',
    }


# --- the contract -------------------------------------------------------------------------------


@pytest.mark.parametrize('size', [(1, 1), (1, 6), (5, 1), (2, 2), (7, 9)])
@pytest.mark.parametrize('name', NAMES)
def test_keeps_shape_at_any_size_and_batch_one(name, size):
    out = scrambled(name).eval()(random_map(1, CHANNELS, *size))
    assert out.shape == (1, CHANNELS, *size)
    assert out.isfinite().all()


@pytest.mark.parametrize('name', NAMES)
def test_an_empty_batch_stays_empty(name):
    assert scrambled(name).eval()(random_map(0, CHANNELS, 6, 5)).shape == (0, CHANNELS, 6, 5)


@pytest.mark.parametrize('name', NAMES)
def test_images_of_a_batch_do_not_mix_in_eval(name):
    module, x = scrambled(name).eval(), random_map(3, CHANNELS, 6, 5)
    assert torch.allclose(module(x)[1:2], module(x[1:2]), atol=1e-5)


@pytest.mark.parametrize('name', NAMES)
def test_input_is_left_alone_and_output_repeats(name):
    module, x = scrambled(name).eval(), random_map(2, CHANNELS, 6, 5)
    before = x.clone()
    assert torch.equal(module(x), module(x))
    assert torch.equal(x, before)


@pytest.mark.parametrize('name', NAMES)
def test_every_parameter_gets_a_gradient(name):
    module, x = scrambled(name).eval(), random_map(2, CHANNELS, 6, 5).requires_grad_()
    module(x).square().sum().backward()
    assert x.grad.isfinite().all() and x.grad.any()
    for key, parameter in module.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), key
        assert parameter.grad.any() or (name, key) in NO_GRADIENT, key


@pytest.mark.parametrize('name', NAMES)
def test_trains(name):
    module, x = build(name).train(), random_map(2, CHANNELS, 6, 5).requires_grad_()
    module(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())


@pytest.mark.parametrize('name', NAMES)
def test_starts_as_identity_when_asked(name):
    plain, module, x = build(name), build(name, identity_init=True), random_map(2, CHANNELS, 6, 5)
    assert set(module.state_dict()) - set(plain.state_dict()) == {'gate'}
    assert set(plain.state_dict()) <= set(module.state_dict())
    assert torch.equal(module(x), x)
    # the gate gets a gradient in the first step, what is behind it from the second
    module(x).square().sum().backward()
    assert module.gate.grad.any()


@pytest.mark.parametrize('name', NAMES)
def test_gate_mixes_input_and_attention(name):
    module, x = scrambled(name, identity_init=True).eval(), random_map(2, CHANNELS, 6, 5)
    with torch.no_grad():
        module.gate.fill_(0.3)
    out = module(x)
    assert torch.allclose(out, x + 0.3 * (module.attend(x) - x), atol=1e-6)
    out.square().sum().backward()
    for key, parameter in module.named_parameters():
        assert parameter.grad.any() or (name, key) in NO_GRADIENT, key


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize('identity_init', [False, True])
@pytest.mark.parametrize('name', NAMES)
def test_autocast_keeps_dtype_and_stays_close(name, identity_init, dtype):
    module = scrambled(name, identity_init=identity_init).eval()
    x = random_map(2, CHANNELS, 6, 5).to(dtype)
    expected = module(x.float())
    x = x.requires_grad_()
    with torch.autocast('cpu', torch.bfloat16):
        out = module(x)
    assert out.dtype == dtype
    # Processors without instructions for bfloat16 also add up in its 8 bits, which the products of two gates show.
    most = 0.06 if name == 'CoordAttention' else 0.03
    assert (out - expected).abs().mean() < most * expected.abs().mean()
    out.float().square().sum().backward()
    assert x.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in module.parameters() if p.grad is not None)


@pytest.mark.parametrize('name', NAMES)
def test_memory_format_changes_no_numbers(name):
    module, x = scrambled(name).double().eval(), random_map(2, CHANNELS, 6, 5, dtype=torch.float64)
    results = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        given = [x.clone(memory_format=memory_format).requires_grad_(), *module.parameters()]
        out = module(given[0])
        results.append([out, *torch.autograd.grad(out.square().sum(), given, allow_unused=True)])
    torch.testing.assert_close(*results)


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_compiles_without_graph_breaks(name):
    torch._dynamo.reset()
    module, x = scrambled(name), random_map(2, CHANNELS, 6, 5).requires_grad_()
    compiled = torch.compile(copy.deepcopy(module), fullgraph=True, backend='aot_eager')
    expected, out = module(x), compiled(x)
    assert torch.allclose(out, expected, atol=1e-5)
    (grad,) = torch.autograd.grad(expected.square().sum(), x)
    (compiled_grad,) = torch.autograd.grad(out.square().sum(), x)
    assert torch.allclose(compiled_grad, grad, atol=1e-4)


@pytest.mark.parametrize('name', NAMES)
def test_copies_and_pickles(name):
    module, x = scrambled(name).eval(), random_map(1, CHANNELS, 6, 5)
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(twin(x), module(x))


@pytest.mark.parametrize('name', [n for n in NAMES if hasattr(MODELS.get(n), 'init_weights')])
def test_init_weights_restores_the_start(name):
    module = scrambled(name)
    module.init_weights()
    x = random_map(1, CHANNELS, 6, 5)
    assert torch.allclose(module(x), build(name)(x), atol=1e-6)


@pytest.mark.parametrize('in_channels', [0, -4, 64.0, None])
@pytest.mark.parametrize('name', NAMES)
def test_refuses_channels_that_are_no_count(name, in_channels):
    with pytest.raises(ValueError, match='in_channels must be a positive integer'):
        build(name, in_channels)


@pytest.mark.parametrize('name', NAMES)
def test_refuses_a_misspelt_option(name):
    with pytest.raises(TypeError, match='reductoin'):
        build(name, reductoin=4)


@pytest.mark.parametrize(
    'name, options, message',
    [
        ('SE', dict(reduction=0), 'reduction must be a positive integer'),
        ('SE', dict(hidden_channels=0), 'hidden_channels must be a positive integer'),
        ('ECA', dict(kernel_size=4), 'kernel_size must be odd'),
        ('CBAM', dict(spatial_kernel=2), 'spatial_kernel must be odd'),
        ('CBAM', dict(reduction=-1), 'reduction must be a positive integer'),
        ('BAM', dict(combine='mean'), "combine must be 'product' or 'sum'"),
        ('BAM', dict(dilation=0), 'dilation must be a positive integer'),
        ('FCA', dict(dct_size=6), 'dct_size must be 7 or more'),
        ('FCA', dict(num_frequencies=33), 'num_frequencies must be at most 32'),
        ('FCA', dict(in_channels=24), 'FCA needs channels divisible by num_frequencies: 24'),
        ('SA', dict(in_channels=64), r'SA needs channels divisible by 2 \* groups: 64'),
        ('GC', dict(reduction=0), 'reduction must be a positive integer'),
        ('CoordAttention', dict(min_channels=0), 'min_channels must be a positive integer'),
        ('SimAM', dict(e_lambda=0.0), 'e_lambda must be positive'),
        ('TripletAttention', dict(kernel_size=6), 'kernel_size must be odd'),
        ('EMA', dict(in_channels=144), 'EMA needs channels divisible by factor: 144 is not by 32'),
        ('EMA', dict(in_channels=16), 'EMA needs channels divisible by factor: 16'),
        ('EMA', dict(factor=0), 'factor must be a positive integer'),
    ],
)
def test_refuses_bad_options(name, options, message):
    with pytest.raises(ValueError, match=message):
        build(name, **options)


# --- numbers ------------------------------------------------------------------------------------


def se(m, x):
    hidden = F.relu(F.linear(F.adaptive_avg_pool2d(x, 1).flatten(1), m.fc1.weight, m.fc1.bias))
    return x * F.linear(hidden, m.fc2.weight, m.fc2.bias).sigmoid()[..., None, None]


def eca(m, x):
    pooled, taps = F.pad(x.mean((2, 3)), [m.conv.weight.numel() // 2] * 2), m.conv.weight.flatten()
    weight = sum(tap * pooled[:, i : i + x.shape[1]] for i, tap in enumerate(taps)).sigmoid()
    return x * weight[:, :, None, None]


def cbam(m, x):
    def mlp(pooled):
        return F.conv2d(F.relu(F.conv2d(pooled, m.channel.fc1.weight)), m.channel.fc2.weight)

    x = x * (mlp(F.adaptive_avg_pool2d(x, 1)) + mlp(F.adaptive_max_pool2d(x, 1))).sigmoid()
    pooled = torch.cat((x.mean(1, keepdim=True), x.max(1, keepdim=True).values), 1)
    return x * F.conv2d(pooled, m.spatial.conv.weight, padding=3).sigmoid()


def norm(m, x):
    shape = (1, -1) + (1,) * (x.dim() - 2)
    mean, var, weight, bias = (t.view(shape) for t in (m.running_mean, m.running_var, m.weight, m.bias))
    return (x - mean) / (var + m.eps).sqrt() * weight + bias


def bam(m, x):
    fc1, bn, _, fc2 = m.channel
    channel = fc2(F.relu(norm(bn, fc1(x.mean((2, 3))))))[:, :, None, None]
    conv0, bn0, _, conv1, bn1, _, conv2, bn2, _, last = m.spatial
    spatial = F.relu(norm(bn0, F.conv2d(x, conv0.weight, conv0.bias)))
    for conv, bn in ((conv1, bn1), (conv2, bn2)):
        spatial = F.relu(norm(bn, F.conv2d(spatial, conv.weight, conv.bias, padding=4, dilation=4)))
    return x * (1 + (channel * last(spatial)).sigmoid())


def fca(m, x):
    pooled, parts = F.adaptive_avg_pool2d(x, 7), x.shape[1] // 16
    squeezed = torch.zeros(x.shape[:2], dtype=x.dtype)
    for c in range(x.shape[1]):
        u, v = TOP_FREQUENCIES[c // parts]
        for i in range(7):
            for j in range(7):
                a = math.cos(math.pi * u * (i + 0.5) / 7) * math.sqrt((2 if u else 1) / 7)
                b = math.cos(math.pi * v * (j + 0.5) / 7) * math.sqrt((2 if v else 1) / 7)
                squeezed[:, c] += pooled[:, c, i, j] * a * b
    weight = F.linear(F.relu(F.linear(squeezed, m.fc1.weight)), m.fc2.weight).sigmoid()
    return x * weight[:, :, None, None]


def sa(m, x):
    folded = x.reshape(x.shape[0] * m.groups, -1, *x.shape[2:])
    a, b = folded.chunk(2, 1)
    a = a * (m.cweight * a.mean((2, 3), keepdim=True) + m.cbias).sigmoid()
    b = b * (m.sweight * m.norm(b) + m.sbias).sigmoid()
    out = torch.cat((a, b), 1).reshape(x.shape)
    return torch.stack(out.chunk(2, 1), 2).flatten(1, 2)


def gc(m, x):
    mask = F.conv2d(x, m.mask.weight, m.mask.bias).flatten(2).softmax(2)[:, 0]  # (N, HW)
    context = (x.flatten(2) * mask[:, None]).sum(2)
    return x + m.fc2(F.relu(m.norm(m.fc1(context))))[:, :, None, None]


def coord(m, x):
    rows, columns = x.mean(3, keepdim=True), x.mean(2, keepdim=True).transpose(2, 3)
    hidden = norm(m.norm, F.conv2d(torch.cat((rows, columns), 2), m.conv.weight, m.conv.bias))
    hidden = hidden * F.relu6(hidden + 3) / 6
    h, w = hidden[:, :, : x.shape[2]], hidden[:, :, x.shape[2] :].transpose(2, 3)
    return x * m.conv_h(h).sigmoid() * m.conv_w(w).sigmoid()


def simam(m, x):
    n = x.shape[2] * x.shape[3] - 1
    d = (x - x.mean((2, 3), keepdim=True)) ** 2
    return x * (d / (4 * (d.sum((2, 3), keepdim=True) / n + 1e-4)) + 0.5).sigmoid()


def triplet(m, x):
    def gate(plane, t):
        pooled = torch.cat((t.max(1, keepdim=True).values, t.mean(1, keepdim=True)), 1)
        return t * norm(plane.norm, F.conv2d(pooled, plane.conv.weight, padding=3)).sigmoid()

    cw = gate(m.cw, x.permute(0, 2, 1, 3)).permute(0, 2, 1, 3)
    hc = gate(m.hc, x.permute(0, 3, 2, 1)).permute(0, 3, 2, 1)
    return (cw + hc + gate(m.hw, x)) / 3


def nam(m, x):
    scale = (m.norm.weight.abs() / m.norm.weight.abs().sum()).detach()
    return x * F.relu(norm(m.norm, x) * scale.view(1, -1, 1, 1)).sigmoid()


def spem(m, x):
    top = m.w2 * F.adaptive_max_pool2d(x, 1) + m.b2
    bottom = m.w2 * -F.adaptive_max_pool2d(-x, 1) + m.b2
    p0, p1 = m.p
    share = p0**2 / (p0**2 + p1**2)
    mix = share * top + (1 - share) * bottom
    return x * (bottom + top).sigmoid() * (m.w1 * mix + m.b1).sigmoid()


def ema(m, x):
    height, width = x.shape[2:]
    g = x.reshape(x.shape[0] * m.factor, -1, height, width)
    rows, columns = g.mean(3, keepdim=True), g.mean(2, keepdim=True).transpose(2, 3)
    h, w = m.conv1(torch.cat((rows, columns), 2)).split((height, width), 2)
    x1 = m.norm(g * h.sigmoid() * w.transpose(2, 3).sigmoid())
    x2 = m.conv3(g)
    q1, q2 = (t.mean((2, 3)).softmax(1)[:, None] for t in (x1, x2))  # (B, 1, c)
    weight = (q1 @ x2.flatten(2) + q2 @ x1.flatten(2)).view(-1, 1, height, width).sigmoid()
    return (g * weight).reshape(x.shape)


REFERENCES = dict(
    SE=se,
    ECA=eca,
    CBAM=cbam,
    BAM=bam,
    FCA=fca,
    SA=sa,
    GC=gc,
    CoordAttention=coord,
    SimAM=simam,
    TripletAttention=triplet,
    NAM=nam,
    SPEM=spem,
    EMA=ema,
)


@pytest.mark.parametrize('name', NAMES)
def test_equals_the_written_out_formula(name):
    module, x = scrambled(name).double().eval(), random_map(2, CHANNELS, 9, 6, dtype=torch.float64)
    if name == 'FCA':  # its table of cosines was rounded when the module was built
        module.basis = torch.stack([torch.outer(dct_basis(u, 7), dct_basis(v, 7)) for u, v in TOP_FREQUENCIES[:16]])
    expected = REFERENCES[name](module, x)
    assert relative(module(x), expected) < 1e-12
    assert relative(module.float()(x.float()).double(), expected) < 2e-5


@pytest.mark.parametrize('name', NAMES)
def test_gradients_equal_those_of_the_written_out_formula(name):
    module = scrambled(name).double().eval()
    x = random_map(2, CHANNELS, 5, 6, dtype=torch.float64)
    inputs = [x.requires_grad_(), *module.parameters()]
    got, expected = (
        torch.autograd.grad(y.square().sum(), inputs, allow_unused=True)
        for y in (module(x), REFERENCES[name](module, x))
    )
    for a, b in zip(got, expected, strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-5 * max(1, b.abs().max().item()))


def test_se_without_bias_has_none():
    assert [key for key, _ in build('SE', bias=False).named_parameters()] == ['fc1.weight', 'fc2.weight']


@pytest.mark.parametrize(
    'options, hidden', [(dict(), 8), (dict(reduction=48), 3), (dict(reduction=1000), 1), (dict(hidden_channels=5), 5)]
)
def test_se_rounds_its_hidden_channels(options, hidden):
    assert build('SE', **options).fc1.out_features == hidden


@pytest.mark.parametrize('channels, size', [(64, 3), (256, 5), (512, 5), (1024, 5), (2048, 7)])
def test_eca_takes_its_kernel_from_the_channels(channels, size):
    assert build('ECA', channels).conv.kernel_size == (size,)
    assert build('ECA', channels, kernel_size=9).conv.kernel_size == (9,)


def test_bam_adds_its_branches_as_the_paper_has_it():
    x = random_map(2, CHANNELS, 9, 6)
    added, multiplied = (scrambled('BAM', combine=how).eval() for how in ('sum', 'product'))
    channel = added.channel(x.mean((2, 3)))[:, :, None, None]
    assert torch.allclose(added(x), x * (1 + (channel + added.spatial(x)).sigmoid()), atol=1e-5)
    assert not torch.allclose(added(x), multiplied(x), atol=1e-2)


def test_fca_scales_its_frequencies_with_the_map():
    module = build('FCA', dct_size=56)
    u, v = TOP_FREQUENCIES[2]
    assert (u, v) == (6, 0)
    expected = torch.outer(dct_basis(48, 56), dct_basis(0, 56)).float()
    assert torch.equal(module.basis[2], expected)
    assert 'basis' not in module.state_dict()


def test_dct_basis_is_orthonormal():
    basis = torch.stack([dct_basis(k, 7) for k in range(7)])
    assert torch.allclose(basis @ basis.t(), torch.eye(7, dtype=basis.dtype), atol=1e-12)
    assert len(set(TOP_FREQUENCIES)) == 32


def test_spem_starts_almost_closed():
    x = random_map(1, CHANNELS, 3, 3)
    gate = 1 / (1 + math.exp(2)) / (1 + math.exp(1))
    assert torch.allclose(build('SPEM')(x), x * gate)


def test_gc_starts_as_identity_by_its_last_layer():
    x = random_map(1, CHANNELS, 3, 3)
    assert torch.equal(build('GC')(x), x)


# --- parameters ---------------------------------------------------------------------------------


def parameters(name, channels, blocks=(3, 4, 6, 3), **options):
    """Parameters of one module in each block of a ResNet's stages."""
    return sum(
        n * sum(p.numel() for p in build(name, c, **options).parameters())
        for n, c in zip(blocks, channels, strict=True)
    )


RESNET50, RESNET86, RESNET50_CIFAR = 25_557_032, 41_886_248, 23_705_252
STAGES = (256, 512, 1024, 2048)


@pytest.mark.parametrize(
    'trunk, name, options, total',
    [
        (RESNET50, 'SE', {}, 28_088_024),
        (RESNET50, 'CBAM', {}, 28_073_544),
        (RESNET86, 'SE', dict(blocks=(5, 6, 12, 5)), 46_346_680),
        (RESNET86, 'CBAM', dict(blocks=(5, 6, 12, 5)), 46_320_864),
        (RESNET50_CIFAR, 'EMA', {}, 23_903_620),
        (0, 'SPEM', dict(channels=(64, 128, 256), blocks=(18, 18, 18)), 32_364),
    ],
)
def test_parameters_to_the_unit(trunk, name, options, total):
    assert trunk + parameters(name, **{'channels': STAGES, **options}) == total


@pytest.mark.parametrize(
    'name, blocks, published, digits',
    [
        ('ECA', (3, 4, 6, 3), 25.56, 2),
        ('SA', (3, 4, 6, 3), 25.56, 2),
        ('FCA', (3, 4, 6, 3), 28.07, 2),
        ('GC', (3, 4, 6, 3), 28.11, 2),
        ('TripletAttention', (3, 4, 6, 3), 25.562, 3),
        ('SimAM', (3, 4, 6, 3), 25.56, 2),
        ('BAM', (1, 1, 1, 0), 25.92, 2),  # BAM: after stages 1 to 3
    ],
)
def test_parameters_in_resnet50_as_published(name, blocks, published, digits):
    assert round((RESNET50 + parameters(name, STAGES, blocks)) / 1e6, digits) == published


# --- in stock mmdet -----------------------------------------------------------------------------


@pytest.fixture(scope='module')
def mmdet_resnet():
    return pytest.importorskip('mmdet.models.backbones').ResNet


def tiny(resnet, names, **options):
    plugins = [dict(cfg=dict(type=f'mmattn.{name}', **options), position='after_conv3') for name in names]
    return resnet(
        50,
        base_channels=32,
        stem_channels=32,
        num_stages=1,
        strides=(1,),
        dilations=(1,),
        out_indices=(0,),
        plugins=plugins,
    )


@pytest.mark.parametrize('name', NAMES)
def test_is_a_plugin_of_stock_mmdet(mmdet_resnet, name):
    model = tiny(mmdet_resnet, [name])
    model.init_weights()
    model.train()
    (out,) = model(random_map(2, 3, 32, 32))
    assert out.shape == (2, CHANNELS, 8, 8)
    out.sum().backward()
    cls = MODELS.get(name)
    for block in model.layer1:
        assert sum(isinstance(m, cls) for m in block.children()) == 1
    attention = [p for m in model.modules() if isinstance(m, cls) for p in m.parameters()]
    assert all(p.grad is not None for p in attention)


def test_plugin_of_stock_mmdet_leaves_a_network_as_it_was(mmdet_resnet):
    plain, attentive = tiny(mmdet_resnet, []), tiny(mmdet_resnet, NAMES, identity_init=True)
    for model in (plain, attentive):
        model.eval()
    missing, unexpected = attentive.load_state_dict(plain.state_dict(), strict=False)
    assert missing and not unexpected
    x = random_map(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(attentive(x)[0], plain(x)[0])


def test_plugins_of_stock_mmdet_have_names_of_their_own(mmdet_resnet):
    block = tiny(mmdet_resnet, NAMES).layer1[0]
    plugins = [
        name
        for name, m in block.named_children()
        if isinstance(m, nn.Module) and type(m).__module__.startswith('mmattn.models.attention.')
    ]
    assert len(set(plugins)) == len(NAMES)
