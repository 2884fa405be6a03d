"""The authors' weights become ours, and their outputs with them; and they go back."""

import functools

import pytest
import torch
import torchvision
from networks import NETWORKS
from parity import FACTS, authors_order, images, weights

from mmattn.models.backbones import AttnResNet
from mmattn.registry import MODELS
from mmattn.weights.conversion import (
    ConversionError,
    Layout,
    Rule,
    convert,
    recognise,
    recognise_ours,
    revert,
)


def same(a, b) -> bool:
    return list(a) == list(b) and all(torch.equal(a[k], b[k]) for k in a)


@functools.cache
def run(name):
    """(keys of the authors, logits in double and in single precision, stage outputs) of a reference network."""
    network = NETWORKS[FACTS[name]['network']]
    with torch.device('meta'):
        ours = network.build().state_dict()
    shapes = {k: v.shape for k, v in revert(ours, recognise_ours(ours)).items()}
    state = weights({k: shapes[k] for k in authors_order(shapes)})
    layout = recognise(state)
    converted = convert(state, layout)
    assert recognise_ours(converted) == layout
    assert same(revert(converted, layout), state)
    model = network.build().eval()
    model.load_state_dict(converted)
    stages = []
    for stage in model.backbone.stage_names:
        getattr(model.backbone, stage).register_forward_hook(lambda _m, _x, out: stages.append(out))
    x = images(FACTS[name]['input'])
    with torch.no_grad():
        single = model(x)
        stages.clear()
        double = model.double()(x.double())
    return {k: list(v.shape) for k, v in state.items()}, double, single.double(), stages


@pytest.mark.slow
@pytest.mark.parametrize('name', FACTS)
def test_authors_weights_give_the_authors_outputs(name):
    facts = FACTS[name]
    _, double, single, stages = run(name)
    expected = torch.tensor(facts['logits'], dtype=torch.float64)
    assert (double[:, :8] - expected).abs().max() < 1e-8 * facts['logits_std']
    assert (single[:, :8] - expected).abs().max() < 1e-3 * facts['logits_std']
    assert float(double.std()) == pytest.approx(facts['logits_std'], rel=1e-4)
    for out, stage in zip(stages, facts['stages'], strict=True):
        assert list(out.shape) == stage['shape']
        # the recorded statistics are of a run in single precision
        assert float(out.mean()) == pytest.approx(stage['mean'], abs=1e-4 * stage['std'])
        assert float(out.std(correction=0)) == pytest.approx(stage['std'], rel=1e-4)
        assert float(out.abs().max()) == pytest.approx(stage['abs_max'], rel=1e-4)


@pytest.mark.parametrize('name', NETWORKS)
def test_every_network_goes_to_its_authors_layout_and_back(name):
    ours = NETWORKS[name].build_small().state_dict()
    layout = recognise_ours(ours)
    theirs = revert(ours, layout)
    assert recognise(theirs) == layout == Layout.of(layout.name)
    assert same(convert(theirs, layout), ours)


def test_nam_is_not_taken_for_ema():
    net = AttnResNet(depth=50, stage_blocks=(1,), num_stages=1, attn='mmattn.NAM')
    ours = {f'backbone.{k}': v for k, v in net.state_dict().items()}
    layout = recognise_ours(ours)
    theirs = revert(ours, layout)
    assert recognise(theirs) == layout and layout.name == 'resnet+nam'
    assert same(convert(theirs, layout), ours)


@pytest.mark.parametrize('name', ['sda_senet86', 'sda_epsanet86', 'mspanet50_s', 'spem164_cifar10'])
def test_mm_checkpoints_stay_as_they_are(name):
    ours = NETWORKS[name].build_small().state_dict()
    layout = recognise(ours)
    assert layout.network.name == 'mm'
    assert same(convert(ours, layout), ours)


@pytest.mark.parametrize('slot', ['nam', 'ema', 'attn'])
def test_ema_under_each_of_its_names(slot):
    ours = NETWORKS['ema_resnet50_cifar100'].build_small().state_dict()
    theirs = {k.replace('.nam.', f'.{slot}.'): v for k, v in revert(ours, recognise_ours(ours)).items()}
    layout = recognise(theirs)
    assert same(convert(theirs, layout), ours)
    assert same(revert(ours, layout), theirs)


def test_torchvisions_resnet():
    theirs = torchvision.models.resnet18(num_classes=10).eval()
    state = convert(theirs.state_dict(), recognise(theirs.state_dict()))
    ours = MODELS.build(dict(type='mmattn.AttnResNet', depth=18)).eval()
    ours.load_state_dict({k.removeprefix('backbone.'): v for k, v in state.items() if k.startswith('backbone.')})
    x = torch.rand(2, 3, 64, 64)
    logits = ours(x)[-1].mean((2, 3)) @ state['head.fc.weight'].T + state['head.fc.bias']
    torch.testing.assert_close(logits, theirs(x))


def test_timms_deep_stem_and_squeeze_excitation():
    backbone = MODELS.build(
        dict(type='mmattn.AttnResNet', depth=50, base_channels=8, deep_stem=True, avg_down=True, attn='mmattn.SE')
    )
    ours = {f'backbone.{k}': v for k, v in backbone.state_dict().items()}
    theirs = revert(ours, Layout.of('resnet-d+se-timm'))
    assert {'conv1.0.weight', 'conv1.3.weight', 'conv1.6.weight', 'bn1.weight', 'layer1.0.downsample.2.bias'} <= set(
        theirs
    )
    assert theirs['layer1.0.se.fc1.weight'].shape == (2, 32, 1, 1)
    assert recognise(theirs) == Layout.of('resnet-d+se-timm')
    assert same(convert(theirs, recognise(theirs)), ours)


def test_mmpretrains_se_resnet():
    mmpretrain = pytest.importorskip('mmpretrain.models')
    theirs = mmpretrain.SEResNet(50, base_channels=8, stem_channels=8, expansion=4, se_ratio=4)
    theirs.eval()
    ours = MODELS.build(
        dict(type='mmattn.AttnResNet', depth=50, base_channels=8, attn=dict(type='mmattn.SE', reduction=4))
    ).eval()
    state = {f'backbone.{k}': v for k, v in theirs.state_dict().items()}
    state = convert(state, recognise(state))
    ours.load_state_dict({k.removeprefix('backbone.'): v for k, v in state.items()})
    x = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(ours(x)[-1], theirs(x)[-1])


def test_depth_attentions_stack():
    ours = NETWORKS['sda_resnet50'].build_small().state_dict()
    theirs = revert(ours, recognise_ours(ours))
    parts = [theirs[f'stage1.fcs.{k}.weight'] for k in range(2)]
    assert torch.equal(torch.cat(parts), ours['backbone.layer1.depth_attn.expand.weight'])
    del theirs['stage1.fcs.0.weight']
    with pytest.raises(ConversionError, match='parts'):
        convert(theirs, recognise(theirs))


def test_what_is_not_known_is_refused():
    ours = NETWORKS['resnet50'].build_small().state_dict()
    theirs = revert(ours, recognise_ours(ours))
    with pytest.raises(ConversionError, match='blocks.0.attn.qkv'):
        recognise({'blocks.0.attn.qkv.weight': torch.zeros(1)})
    with pytest.raises(ConversionError, match='surprise.weight'):
        convert(theirs | {'surprise.weight': torch.zeros(1)}, recognise(theirs))
    with pytest.raises(ConversionError, match='backbone.layer1.0'):
        recognise_ours(theirs)
    with pytest.raises(ConversionError, match='neck.bn.weight'):
        revert(ours | {'neck.bn.weight': torch.zeros(1)}, recognise_ours(ours))
    for name in ('nobody', 'sda+nothing', 'resnet+sda'):
        with pytest.raises(ConversionError, match='no key layout'):
            Layout.of(name)
    double = theirs | {'layer1.0.nam.gn.weight': torch.zeros(1), 'layer1.0.attn.norm.weight': torch.zeros(1)}
    with pytest.raises(ConversionError, match='two tensors'):
        convert(double, recognise(double))


def test_rules_count_from_one_where_the_authors_do():
    rule = Rule('conv_{k+1}.{leaf}', 'convs.{k}.{leaf}').inside('layer{s}.{i}.', 'backbone.layer{s}.{i}.')
    assert rule == Rule('layer{s}.{i}.conv_{k+1}.{leaf}', 'backbone.layer{s}.{i}.convs.{k}.{leaf}')
    epsa = NETWORKS['epsanet50'].build_small().state_dict()
    theirs = revert(epsa, recognise_ours(epsa))
    assert torch.equal(theirs['layer1.1.conv2.conv_4.weight'], epsa['backbone.layer1.1.conv2.convs.3.weight'])
