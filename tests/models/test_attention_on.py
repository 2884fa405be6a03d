"""Attention behind modules of other libraries' backbones: keys, weights, training, copies, errors."""

from __future__ import annotations

import mmattn.models  # noqa: F401  isort: skip  before mmdet and mmpretrain
import copy
import importlib.util
import pickle
from pathlib import Path

import pytest
import torch
from mmengine.model import convert_sync_batchnorm, revert_sync_batchnorm
from mmengine.runner.checkpoint import load_state_dict
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.hooks import RemovableHandle

from mmattn.analysis.complexity import attachable
from mmattn.errors import UserError
from mmattn.inference import prepare
from mmattn.models.backbones.outputs import output_shapes
from mmattn.registry import MODELS
from mmattn.weights import pretrained

MOBILENET = dict(type='mmpretrain.MobileNetV2', widen_factor=0.5, out_indices=(4, 7))
# config, pattern, number of modules that it chooses
BACKBONES = {
    'mobilenet': (MOBILENET, 'layer*.conv.1', 17),
    'regnet': (dict(type='mmpretrain.RegNet', arch='regnetx_400mf'), 'layer3.*.bn3', 7),
    'darknet': (dict(type='mmdet.CSPDarknet', deepen_factor=0.33, widen_factor=0.125), 'stage[34]', 2),
    'convnext': (
        dict(type='mmpretrain.ConvNeXt', arch=dict(depths=[1, 1, 2, 1], channels=[8, 16, 32, 64])),
        'downsample_layers.[12]',
        2,
    ),
    'checkpointed': (
        dict(type='mmdet.ResNet', depth=18, base_channels=8, stem_channels=8, with_cp=True),
        ['layer3.*.bn2', 'layer4.*.bn2'],
        4,
    ),
    'timm': (dict(type='mmpretrain.TIMMBackbone', model_name='resnet10t'), 'timm_model.layer?', 4),
    'ours': (
        dict(type='mmattn.SDAResNet', depth=18, base_channels=8, stem_channels=8, spatial=None),
        'layer?.1.bn2',
        4,
    ),
}
ECA = dict(type='mmattn.ECA', identity_init=True)


pytestmark = pytest.mark.usefixtures('quiet_init')


@pytest.fixture(params=BACKBONES)
def pair(request):
    """A plain backbone, the same with attention and its weights, and the number of its attention modules."""
    config, at, count = BACKBONES[request.param]
    pytest.importorskip(config['type'].partition('.')[0])
    if request.param == 'timm':
        pytest.importorskip('timm')
    plain = with_statistics(build(config))
    attentive = attention_on(config, at)
    assert len(attentive.attention) == count
    attentive.load_state_dict(plain.state_dict(), strict=False)
    return plain, attentive


def build(config: dict) -> nn.Module:
    torch.manual_seed(0)
    return MODELS.build(copy.deepcopy(config))


def with_statistics(network: nn.Module) -> nn.Module:
    """BatchNorm's of two images, so that its output is of the order of one."""
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    for norm in norms:
        norm.momentum = 1.0
    network.train()
    with torch.no_grad():
        network(torch.rand(2, 3, 64, 64))
    for norm in norms:
        norm.momentum = 0.1
    return network


def attention_on(backbone: dict = MOBILENET, at='layer*.conv.1', attn=ECA, **options) -> nn.Module:
    if backbone['type'].startswith('mmpretrain'):
        pytest.importorskip('mmpretrain')
    return build(dict(type='mmattn.AttentionOn', backbone=backbone, attn=attn, at=at, **options))


def run(network: nn.Module, size: int = 64) -> list[torch.Tensor]:
    network.eval()
    with torch.no_grad():
        x = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1))
        outs = network(x.to(next(network.parameters()).dtype))
    return list(outs) if isinstance(outs, (tuple, list)) else [outs]


def open_gates(network: nn.Module) -> nn.Module:
    for attention in network.attention.values():
        nn.init.constant_(attention.gate, 0.7)
    return network


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.allclose(x, y, atol=1e-5) for x, y in zip(a, b, strict=True))


def test_keys_and_start_are_the_plain_backbones(pair):
    plain, attentive = pair
    keys = [key for key in attentive.state_dict() if not key.startswith('attention.')]
    assert keys == list(plain.state_dict()) and type(attentive) is type(plain)
    assert same(run(attentive), run(plain))
    assert not same(run(open_gates(attentive)), run(plain))


def test_plain_weights_load_by_either_loader(pair):
    plain, attentive = pair
    state = {key: torch.full_like(value, 0.5) for key, value in plain.state_dict().items()}
    for load in (lambda: attentive.load_state_dict(state, strict=False), lambda: load_state_dict(attentive, state)):
        with torch.no_grad():
            for tensor in attentive.state_dict().values():
                tensor.zero_()
        load()
        loaded = attentive.state_dict()
        assert all(torch.equal(loaded[key], value) for key, value in state.items())


def test_all_parameters_train(pair):
    _, attentive = pair
    open_gates(attentive).train()
    x = torch.rand(2, 3, 64, 64, requires_grad=True)  # mmdet recomputes only where its input has a gradient
    outs = attentive(x)
    sum(out.square().mean() for out in outs).backward()
    for key, parameter in attentive.attention.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), key
    assert not any(torch.isnan(p.grad).any() for p in attentive.parameters() if p.grad is not None)


def test_copies_have_attention_of_their_own(pair):
    _, attentive = pair
    before = run(open_gates(attentive))
    for made in (copy.deepcopy(attentive), pickle.loads(pickle.dumps(attentive))):
        assert same(run(made), before)
        for parameter in made.attention.parameters():
            nn.init.constant_(parameter, 3)
        assert not same(run(made), before) and same(run(attentive), before)
        made.init_weights()  # that of the copy
        assert same(run(attentive), before)


def test_state_dict_goes_round(pair):
    _, attentive = pair
    state = {k: torch.rand(v.shape) for k, v in attentive.state_dict().items()}
    assert [str(k) for k in attentive.load_state_dict(state).missing_keys] == []
    assert all(torch.allclose(v.float(), state[k].to(v.dtype).float()) for k, v in attentive.state_dict().items())


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec('torch._dynamo') is None, reason='torch.compile is absent')
@pytest.mark.skipif(torch.__version__.startswith('2.1.'), reason='torch.compile of 2.1 does not know get_submodule')
def test_compiles_into_one_graph():
    attentive = open_gates(attention_on())
    assert same(run(torch.compile(attentive, backend='eager', fullgraph=True)), run(attentive))


def test_hooks_after_unpickling_leave_attention_in_place():
    """A new process numbers its hooks from zero, and pickled ones have their old numbers."""
    attentive = open_gates(attention_on())
    before, pickled = run(attentive), pickle.dumps(attentive)
    RemovableHandle.next_id, before_id = 0, RemovableHandle.next_id
    try:
        made = pickle.loads(pickled)
        for _ in range(2 * len(list(made.modules()))):
            handles = [module.register_forward_hook(lambda *_: None) for module in made.modules()]
        assert handles and same(run(made), before)
    finally:
        RemovableHandle.next_id = max(before_id, RemovableHandle.next_id)


@pytest.mark.parametrize(
    'attentive',
    [dict(backbone=BACKBONES['ours'][0], at='layer?.1.bn2'), dict(backbone=BACKBONES['ours'][0], at='layer*.conv1')],
    ids=['behind norms', 'before norms'],
)
def test_attention_outlives_what_exchanges_norms(attentive):
    attentive = open_gates(attention_on(**attentive))
    with_statistics(attentive).double()  # in single precision its own error is of 2e-4
    before = run(attentive)
    for out, expected in zip(run(prepare(attentive)), before, strict=True):
        assert (out - expected).abs().max() <= 1e-10 * expected.std()
    synchronised = copy.deepcopy(convert_sync_batchnorm(attentive))
    assert any(isinstance(module, nn.SyncBatchNorm) for module in synchronised.modules())
    assert same(run(synchronised), before)
    assert same(run(pickle.loads(pickle.dumps(revert_sync_batchnorm(synchronised)))), before)


def test_building_changes_neither_statistics_nor_random_numbers():
    pytest.importorskip('mmpretrain')
    plain, attentive = build(MOBILENET), attention_on(attn=dict(type='mmattn.SimAM'))
    follows = torch.rand(1)  # SimAM has no parameters, so draws nothing
    build(MOBILENET)
    assert torch.equal(follows, torch.rand(1))
    assert all(torch.equal(v, attentive.state_dict()[k]) for k, v in plain.state_dict().items())
    assert all(module.training for module in attentive.modules())


def test_min_channels_counts_from_there():
    widths = [module.in_channels for module in attention_on().attention.values()]
    for least in (96, 97):
        chosen = attention_on(min_channels=least).attention.values()
        assert [module.in_channels for module in chosen] == [width for width in widths if width >= least]
    assert widths.count(96) > 1


def test_the_papers_mobilenet():
    net = attention_on(dict(type='mmpretrain.MobileNetV2'), attn='mmattn.EMA', min_channels=145)
    assert len(net.attention) == 13 and sum(p.numel() for p in net.attention.parameters()) == 44_400
    assert {module.in_channels for module in net.attention.values()} == {192, 384, 576, 960}


def test_attributes_and_freezing_are_the_backbones():
    net = attention_on(dict(MOBILENET, frozen_stages=2, norm_eval=True), attn=dict(type='mmattn.NAM'))
    net.train()
    assert net.out_indices == (4, 7) and not net.layer2.training and net.layer3.training
    assert not any(module.training for module in net.modules() if isinstance(module, _BatchNorm))
    frozen = {key.partition('.')[0] for key, p in net.named_parameters() if not p.requires_grad}
    assert frozen == {'conv1', 'layer1', 'layer2'}


def test_init_weights_of_both():
    net = attention_on(attn=dict(type='mmattn.SPEM'))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(7)
    net.init_weights()
    assert all((module.b1 == -1).all() and (module.p == 0.5).all() for module in net.attention.values())
    assert net.conv1.conv.weight.std() > 0.1 and (net.conv1.bn.weight == 1).all()


def test_pretrained_inner_backbone(tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr(pretrained, 'print_log', lambda line, *_: lines.append(line))
    pytest.importorskip('mmpretrain')
    plain = build(MOBILENET)
    state = {f'backbone.{key}': value for key, value in plain.state_dict().items()}
    torch.save(dict(state_dict=state), tmp_path / 'net.pth')
    cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'net.pth'))
    net = attention_on(dict(MOBILENET, init_cfg=dict(cfg, prefix='backbone.')))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(1)
    net.init_weights()
    assert all(torch.equal(net.state_dict()[k], v) for k, v in plain.state_dict().items())
    assert len(lines) == 1 and f'loaded {len(state)} of {len(state)}' in lines[0]
    assert lines[0].endswith('not loaded: attention of 17 modules')
    with pytest.raises(UserError, match="prefix='backbone.'"):
        attention_on(dict(MOBILENET, init_cfg=cfg)).init_weights()


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(at='layr2*'), "no module of MobileNetV2 is named 'layr2.*near it: layer2"),
        (dict(at=['layer2', 'layer3.0.conv.7']), "no module .* 'layer3.0.conv.7'.*layer3.0.conv.0"),
        (dict(min_channels=481), 'of the 17 modules .* none has 481 channels or more; the most are 480'),
    ],
)
def test_bad_patterns(options, message):
    with pytest.raises(ValueError, match=message):
        attention_on(**options)


class Odd(nn.Module):
    """Modules that give no single map."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.unused = nn.Conv2d(3, 8, 3), nn.Conv2d(3, 8, 3)
        self.flat, self.act = nn.Flatten(2), nn.ReLU()
        self.pair = MODELS.build(dict(type='mmattn.AttnResNet', depth=18, base_channels=8, stem_channels=8))

    def forward(self, x):
        return self.pair(x), self.flat(self.act(self.conv(self.act(x))))


@pytest.mark.parametrize(
    'at, message',
    [
        ('flat', r"'flat', which 'flat' matches, returns \(1, 8, 49284\), not one feature map"),
        ('pair', 'returns tuple'),
        ('unused', 'is never called'),
        ('act', r'\(1, 3, 224, 224\) and \(1, 8, 222, 222\)'),
    ],
)
def test_no_map(at, message, monkeypatch):
    monkeypatch.setitem(MODELS.module_dict, 'Odd', Odd)
    with pytest.raises(ValueError, match=message):
        attention_on(dict(type='mmattn.Odd'), at)
    with pytest.raises(ValueError, match="'attention' already"):
        monkeypatch.setattr(Odd, 'attention', None, raising=False)
        attention_on(dict(type='mmattn.Odd'), 'conv')


class NoMeta(nn.Module):
    """Its forward needs values, and random ones."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x):
        if torch.rand(1).item() + x.sum().item() < 0:
            raise ValueError
        return self.norm(self.conv(x))


def test_networks_that_meta_cannot_run_are_run_on_zeros():
    net = NoMeta()
    torch.manual_seed(3)
    shapes = output_shapes(net, image_size=(10, 12))
    after = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(1))
    assert shapes == {'': {(1, 8, 8, 10)}, 'conv': {(1, 8, 8, 10)}, 'norm': {(1, 8, 8, 10)}}
    assert net.training and not net.norm.running_mean.any() and not net.conv._forward_hooks


def load_tool():
    path = Path(__file__).resolve().parents[2] / 'tools' / 'complexity.py'
    spec = importlib.util.spec_from_file_location('complexity_tool', path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def test_modules_of_a_config_are_listed(tmp_path, capsys):
    pytest.importorskip('mmpretrain')
    path = tmp_path / 'config.py'
    path.write_text(f"""
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier', neck=dict(type='GlobalAveragePooling'),
    backbone=dict(type='mmattn.AttentionOn', backbone={MOBILENET}, at='layer*.conv.1', attn='mmattn.SE'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=160))
""")
    modules = attachable(path, (64, 96))
    found = {module.name: module for module in modules}
    assert 'attention' not in found and '' not in found
    assert found['layer2.0.conv.1'].shapes == ((1, 48, 16, 24),) and found['layer2.0.conv.1'].type == 'ConvModule'
    assert [module.name for module in modules][:2] == ['conv1', 'conv1.conv']

    assert load_tool().main([str(path), '--modules', '--shape', '64', '96']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(modules) + 1 and lines[1].split() == ['conv1', '(16,', '32,', '48)', 'ConvModule']
