"""The trunk: torchvision's ResNet with every slot empty, mmdet's arguments, and what the slots do to it."""

import pytest
import torch
import torchvision
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmattn.models.backbones import attn_resnet
from mmattn.models.backbones.attn_resnet import ARCHITECTURES
from mmattn.registry import MODELS

TINY = dict(depth=50, base_channels=8, stem_channels=8)


def build(**options) -> nn.Module:
    return MODELS.build(dict(dict(type='mmattn.AttnResNet', **TINY), **options))


pytestmark = pytest.mark.usefixtures('quiet_init')


@pytest.mark.parametrize('depth', [18, 50])
def test_empty_trunk_is_torchvisions_resnet(depth):
    theirs = torchvision.models.get_model(f'resnet{depth}').eval()
    ours = build(depth=depth, base_channels=64, stem_channels=None).eval()
    result = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert result.missing_keys == [] and result.unexpected_keys == ['fc.weight', 'fc.bias']
    x = torch.rand(2, 3, 65, 97, generator=torch.Generator().manual_seed(0))
    logits = theirs.fc(ours(x)[-1].mean((2, 3)))
    torch.testing.assert_close(logits, theirs(x), rtol=0, atol=1e-5)
    x = x.double()
    logits = theirs.double().fc(ours.double()(x)[-1].mean((2, 3)))
    torch.testing.assert_close(logits, theirs(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize('spatial', [dict(groups=32, base_width=4), dict(groups=1, base_width=128)])
def test_grouped_conv_is_torchvisions_resnext_and_wide_resnet(spatial):
    name = 'resnext50_32x4d' if spatial['groups'] == 32 else 'wide_resnet50_2'
    with torch.device('meta'):
        theirs = torchvision.models.get_model(name).state_dict()
        spatial = dict(type='mmattn.GroupedConv', **spatial)
        ours = build(base_channels=64, stem_channels=None, spatial=spatial).state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items() if not k.startswith('fc.')}


def test_empty_trunk_is_mmdets_resnet_in_its_variants():
    mmdet_backbones = pytest.importorskip('mmdet.models.backbones')
    for variant in (
        dict(style='caffe'),
        dict(deep_stem=True, avg_down=True),
        dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)),
        dict(
            plugins=[
                dict(
                    cfg=dict(type='ContextBlock', ratio=1 / 4), stages=(False, True, True, True), position='after_conv3'
                )
            ]
        ),
    ):
        theirs = mmdet_backbones.ResNet(**TINY, **variant)
        theirs.eval()  # returns None
        ours = build(**variant).eval()
        ours.load_state_dict(theirs.state_dict())
        x = torch.rand(1, 3, 64, 64)
        for a, b in zip(ours(x), theirs(x)):
            torch.testing.assert_close(a, b)


def test_words_of_other_resnets_that_ask_for_nothing_are_taken():
    build(dcn=None, stage_with_dcn=(False,) * 4, pretrained=None, multi_grid=None, conv_cfg=dict(type='Conv2d'))


def test_contract_dilation_halves_that_of_a_stages_first_block():
    net = build(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), contract_dilation=True)
    dilations = [[block.conv2.dilation[0] for block in getattr(net, name)] for name in net.stage_names]
    assert [found[:2] for found in dilations] == [[1, 1], [1, 1], [1, 2], [2, 4]]


@pytest.mark.parametrize('depth', sorted(ARCHITECTURES))
def test_depth_counts_the_layers(depth):
    """Three convolutions a bottleneck, two a basic block, the stem and the classifier."""
    with torch.device('meta'):
        net = build(depth=depth)
    blocks = [b for name in net.stage_names for b in getattr(net, name)]
    layers = sum(hasattr(b, f'conv{i}') for b in blocks for i in (1, 2, 3))
    assert layers + 2 == depth


def test_channels_are_in_the_order_of_the_outputs():
    net = build(out_indices=(3, 0)).eval()
    assert net.out_channels == tuple(out.shape[1] for out in net(torch.randn(1, 3, 64, 64)))


def test_a_fifth_stage_strides_too():
    net = build(block='basic', depth=None, stage_blocks=(1,) * 5).eval()
    assert [out.shape[2] for out in net(torch.randn(1, 3, 64, 64))] == [16, 8, 4, 2, 1]


def test_out_indices_and_channels():
    net = build(out_indices=(1, 3)).eval()
    assert [tuple(x.shape) for x in net(torch.rand(1, 3, 33, 70))] == [(1, 64, 5, 9), (1, 256, 2, 3)]
    assert net.out_channels == (64, 256)


@pytest.mark.parametrize('frozen_stages', [0, 1, 4])
def test_frozen_stages_stay_frozen_in_training(frozen_stages):
    net = build(frozen_stages=frozen_stages, depth_attn='mmattn.SDA')
    assert net.train() is net
    frozen = [net.conv1, net.bn1] + [getattr(net, f'layer{i + 1}') for i in range(frozen_stages)]
    for module in frozen:
        assert not module.training and not any(p.requires_grad for p in module.parameters())
    free = [getattr(net, f'layer{i + 1}') for i in range(frozen_stages, 4)]
    assert all(m.training and all(p.requires_grad for p in m.parameters()) for m in free)


def test_what_a_checkpoint_lacks_in_frozen_stages_is_trained(tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr(attn_resnet, 'print_log', lambda line, *_: lines.append(line))
    torch.save(build().state_dict(), tmp_path / 'resnet.pth')
    cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'resnet.pth'))
    slots = dict(attn='mmattn.SE', depth_attn='mmattn.SDA', frozen_stages=2)
    net = build(init_cfg=cfg, **slots)
    net.init_weights()
    assert len(lines) == 1 and 'lacks attn of 7 blocks, depth_attn of 2 stages there, which stay trainable' in lines[0]
    net.train()
    for stage in (net.layer1, net.layer2):
        free = {name.split('.')[1] for name, p in stage[0].named_parameters(prefix='block') if p.requires_grad}
        assert free == {'attn'} and stage[0].attn.training and not stage[0].bn1.training
        assert all(p.requires_grad for p in stage.depth_attn.parameters()) and stage.depth_attn.bn.training
    assert not net.conv1.weight.requires_grad
    net.layer1[0].attn.requires_grad_(False)  # by somebody who wants that frozen all the same
    net.init_weights()  # once more does nothing
    net.train()
    assert net.layer1[1].attn.fc1.weight.requires_grad and not net.layer1[0].attn.fc1.weight.requires_grad
    torch.save(net.state_dict(), tmp_path / 'resnet.pth')  # now with attention
    whole = build(init_cfg=cfg, **slots)
    whole.init_weights()
    assert not any(p.requires_grad for p in whole.layer1.parameters())


def test_norm_eval_keeps_batchnorm_in_eval_mode():
    net = build(norm_eval=True, depth_attn='mmattn.SDA').train()
    assert net.training and not any(m.training for m in net.modules() if isinstance(m, _BatchNorm))


def test_norms_keep_their_names_whatever_their_type():
    plain, grouped = build(), build(norm_cfg=dict(type='GN', num_groups=4))
    assert {k for k, _ in plain.named_parameters()} == {k for k, _ in grouped.named_parameters()}


@pytest.mark.parametrize('block', ['basic', 'bottleneck', 'preact'])
def test_zero_init_makes_a_block_its_shortcut(block):
    net = build(block=block, zero_init_residual=True)
    net.init_weights()
    block = net.layer1[1].eval()
    x = torch.rand(1, net.layer1[0].eval()(torch.rand(1, 8, 5, 5)).shape[1], 5, 5)
    torch.testing.assert_close(block(x), x)


def test_pretrained_weights_skip_zero_init(tmp_path):
    source = build()
    torch.save(dict(state_dict={f'backbone.{k}': v for k, v in source.state_dict().items()}), tmp_path / 'net.pth')
    net = build(
        zero_init_residual=True,
        init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'net.pth'), prefix='backbone.'),
    )
    net.init_weights()
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in source.state_dict().items())


@pytest.mark.parametrize('depth_attn', [None, 'mmattn.SDA'])
def test_checkpointing_changes_nothing_but_memory(depth_attn):
    torch.manual_seed(0)
    net = build(depth_attn=depth_attn, norm_cfg=dict(type='GN', num_groups=4))
    twin = build(depth_attn=depth_attn, norm_cfg=dict(type='GN', num_groups=4), with_cp=True)
    twin.load_state_dict(net.state_dict())
    x = torch.rand(2, 3, 40, 40)
    grads = []
    for model in (net, twin):
        model(x)[-1].square().mean().backward()
        grads.append({k: p.grad for k, p in model.named_parameters()})
    for k, g in grads[0].items():
        torch.testing.assert_close(g, grads[1][k], msg=k)


@pytest.mark.parametrize('depth_attn', [None, 'mmattn.SDA'])
def test_checkpointing_updates_statistics_once(depth_attn):
    net, twin = build(depth_attn=depth_attn), build(depth_attn=depth_attn, with_cp=True)
    twin.load_state_dict(net.state_dict())
    x = torch.rand(3, 3, 40, 40)
    for model in (net, twin):
        model(x)[-1].square().mean().backward()
    for key, value in net.state_dict().items():
        torch.testing.assert_close(twin.state_dict()[key], value, rtol=0, atol=0, msg=key)


@pytest.mark.parametrize('block', ['basic', 'bottleneck', 'preact'])
def test_plugins_at_every_position_and_stage(block):
    positions = ('after_conv1', 'after_conv2') + (() if block == 'basic' else ('after_conv3',))
    plugins = [
        dict(cfg=dict(type='ContextBlock', ratio=1 / 4, postfix=f'_{p}'), stages=(False, True, False, True), position=p)
        for p in positions
    ]
    net = build(block=block, plugins=plugins)
    for i, has in enumerate((False, True, False, True)):
        names = {n for b in getattr(net, f'layer{i + 1}') for n, _ in b.named_children() if n.startswith('context')}
        assert names == ({f'context_block_{p}' for p in positions} if has else set())
    assert net(torch.rand(2, 3, 40, 40))[-1].shape[1] == net.out_channels[-1]


def test_preact_ends_in_norm_and_relu():
    net = build(block='preact').eval()
    outs = net(torch.rand(2, 3, 64, 64))
    assert outs[0].min() < 0 and outs[-1].min() == 0


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(depth=77), 'depth 77 is none of'),
        (dict(block='fancy'), "block 'fancy' is none of"),
        (dict(num_stages=5), 'has 4 stages'),
        (dict(strides=(1, 2)), 'strides has 2 entries for 4 stages'),
        (dict(attn=['mmattn.SE']), 'attn has 1 entries for 4 stages'),
        (dict(out_indices=(4,)), 'out_indices'),
        (dict(frozen_stages=5), 'frozen_stages'),
        (dict(style='tf'), 'style'),
        (dict(stem='deep'), 'stem'),
        (dict(stem='cifar', deep_stem=True), 'deep_stem'),
        (dict(avg_down=True, max_down=True), 'exclude each other'),
        (dict(plugins=[dict(type='ContextBlock')]), 'a plugin is'),
        (dict(plugins=[dict(cfg=dict(type='ContextBlock', ratio=1.0), position='after_conv4')]), 'no plugin position'),
        (dict(plugins=2 * [dict(cfg=dict(type='ContextBlock', ratio=1.0), position='after_conv3')]), 'postfix'),
        (dict(attn='mmattn.SDA'), 'mmattn.SDA does not go into the slot attn: .* in_channels'),
        (dict(attn='mmattn.PSA'), 'mmattn.PSA does not go into the slot attn as it is: .* out_channels'),
        (dict(depth_attn=dict(type='mmattn.SE')), 'mmattn.SE does not go into the slot depth_attn: .* channels, depth'),
        (dict(spatial='mmattn.SE'), 'mmattn.SE does not go into the slot spatial: .* out_channels, stride'),
        (dict(block='preact', depth_attn=dict(type='mmattn.AfterStage', attn='mmattn.SE')), 'AfterStage attends'),
        (dict(conv_cfg=dict(type='DCNv2'), spatial='mmattn.PSA'), 'conv_cfg .*DCNv2.* does not reach .*PSA'),
        (dict(dcn=dict(type='DCNv2')), 'dcn is not supported .* plugins='),
        (dict(stage_with_dcn=(False, True, True, True)), 'stage_with_dcn is not supported'),
        (dict(multi_grid=(1, 2, 4)), 'multi_grid is not supported .* dilations'),
        (dict(pretrained='torchvision://resnet50'), r"pretrained is not supported .* init_cfg=dict\(type='Pretrained'"),
    ],
)
def test_bad_arguments_are_refused_clearly(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_misspelt_arguments_are_refused():
    with pytest.raises(TypeError, match='froze_stages'):
        build(froze_stages=1)
    with pytest.raises(TypeError, match='atn'):
        MODELS.build(dict(type='mmattn.SDAResNet', atn='mmattn.SE'))
    with pytest.raises(TypeError, match='redction'):
        build(attn=dict(type='mmattn.SE', redction=4))


class OwnAttention(nn.Identity):
    """A user's module that takes whatever it is given."""


@pytest.mark.parametrize(
    'slot, name', [('spatial', 'mmattn.MSPA'), ('attn', 'mmattn.SE'), ('depth_attn', 'mmattn.SDA')]
)
def test_a_string_is_a_type_without_options(slot, name):
    expected = [tuple(p.shape) for p in build(**{slot: dict(type=name)}).parameters()]
    assert expected != [tuple(p.shape) for p in build().parameters()]
    for value in (name, [name] * 4):
        assert [tuple(p.shape) for p in build(**{slot: value}).parameters()] == expected


@pytest.mark.parametrize(
    'options',
    [dict(attn=dict(type=nn.Sigmoid)), dict(plugins=[dict(cfg=dict(type='TestGate'), position='after_conv3')])],
    ids=['attn', 'plugin'],
)
def test_a_foreign_module_may_need_its_output_for_its_gradient(options, monkeypatch):
    class TestGate(nn.Module):
        def __init__(self, in_channels):
            super().__init__()

        def forward(self, x):
            return x.sigmoid()

    class Gate(TestGate):
        pass

    monkeypatch.setitem(MODELS.parent.module_dict, 'TestGate', TestGate)
    if 'attn' in options:
        options = dict(attn=dict(type=Gate))
    build(**options)(torch.rand(2, 3, 64, 64))[-1].sum().backward()


def test_a_module_may_take_any_options():
    assert isinstance(build(attn=dict(type=OwnAttention)).layer1[0].attn, OwnAttention)
