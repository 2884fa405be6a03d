"""The trunk and AttentionOn beside mmsegmentation's backbones and decode heads: same keys, same outputs."""

from __future__ import annotations

import copy
import pickle

import mmattn.models  # noqa: F401  isort: skip  before mmseg
import pytest
import torch
from mmengine.model import convert_sync_batchnorm, revert_sync_batchnorm
from mmengine.registry import DefaultScope
from mmengine.runner.checkpoint import get_external_models
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmattn.analysis.complexity import attachable
from mmattn.registry import MODELS

pytest.importorskip('mmseg')
pytestmark = pytest.mark.usefixtures('quiet_init')

D8 = dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4))
# Settings of mmsegmentation's ResNets, with our words for their type.
RESNETS = {
    'dilated by 8, first blocks by half': ('ResNetV1c', dict(**D8, contract_dilation=True)),
    'dilated by 8': ('ResNetV1c', dict(**D8, contract_dilation=False)),
    'as for UPerNet': ('ResNetV1c', dict(strides=(1, 2, 2, 2), dilations=(1, 1, 1, 1), contract_dilation=True)),
    'averaged shortcuts': ('ResNetV1d', dict(**D8, contract_dilation=True)),
    'strides in the first convolution': ('ResNetV1c', dict(**D8, contract_dilation=True, style='caffe')),
    'plain stem': ('ResNet', dict(**D8, contract_dilation=True)),
}
WORDS = dict(ResNet={}, ResNetV1c=dict(deep_stem=True), ResNetV1d=dict(deep_stem=True, avg_down=True))
SMALL = dict(depth=50, base_channels=8, stem_channels=8, out_indices=(0, 1, 2, 3))
CHANNELS = [32, 64, 128, 256]
HEADS = {
    'DepthwiseSeparableASPPHead': (
        dict(in_channels=256, in_index=3, c1_in_channels=32, c1_channels=8, dilations=(1, 2, 3, 4)),
        ['aspp_modules.?', 'bottleneck'],
        5,
    ),
    'PSPHead': (dict(in_channels=256, in_index=3, pool_scales=(1, 2)), 'psp_modules.?.1.bn', 2),
    'UPerHead': (dict(in_channels=CHANNELS, in_index=[0, 1, 2, 3], pool_scales=(1, 2)), 'fpn_convs.?', 3),
}


def build(cfg: dict) -> nn.Module:
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmseg'):
        return MODELS.build(copy.deepcopy(cfg))


def randomise(network: nn.Module) -> nn.Module:
    """Random weights and statistics, which keep the outputs of the order of one, in eval mode and double."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            for tensor in (module.weight.data, module.bias.data, module.running_mean):
                tensor.uniform_(-0.5, 0.5, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    network.eval()  # whose result is None in their ResNet
    return network.double()


def largest(ours, theirs) -> float:
    """The largest difference of feature maps over the standard deviation of them."""
    pairs = zip(ours, theirs, strict=True)
    return max(float((one - other).abs().max() / other.std()) for one, other in pairs)


def images(size: int = 65) -> torch.Tensor:
    return torch.rand(2, 3, size, size, dtype=torch.double, generator=torch.Generator().manual_seed(2))


def features() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    sides = (16, 8, 8, 8)
    return [
        torch.rand(2, count, side, side, dtype=torch.double, generator=generator)
        for count, side in zip(CHANNELS, sides)
    ]


@pytest.mark.parametrize('kind, settings', RESNETS.values(), ids=RESNETS)
def test_trunk_is_mmsegs_resnet_in_its_variants(kind, settings):
    theirs = randomise(build(dict(type=f'mmseg.{kind}', **SMALL, **settings)))
    ours = build(dict(type='mmattn.AttnResNet', **SMALL, **WORDS[kind], **settings)).eval().double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    with torch.no_grad():
        assert largest(ours(images()), theirs(images())) <= 1e-8


@pytest.mark.parametrize(
    'slots',
    [
        dict(depth_attn=dict(type='mmattn.SDA', identity_init=True)),
        dict(attn=dict(type='mmattn.EMA', factor=4, identity_init=True)),
        dict(attn=dict(type='mmattn.SE', identity_init=True)),
    ],
    ids=['SDA', 'EMA', 'SE'],
)
def test_mmsegs_weights_start_attention_as_the_identity(tmp_path, slots):
    """Those of `open-mmlab://resnet50_v1c` have these keys."""
    assert 'resnet50_v1c' in get_external_models()
    settings = dict(SMALL, depth=18, **D8, contract_dilation=True)
    theirs = randomise(build(dict(type='mmseg.ResNetV1c', **settings)))
    torch.save(dict(state_dict=theirs.state_dict()), tmp_path / 'resnet_v1c.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'resnet_v1c.pth'))
    ours = build(dict(type='mmattn.AttnResNet', deep_stem=True, **settings, **slots, init_cfg=init_cfg))
    ours.init_weights()
    ours.eval().double().load_state_dict(theirs.state_dict(), strict=False)  # in full precision
    with torch.no_grad():
        start = ours(images())
        assert largest(start, theirs(images())) <= 1e-8
        for name, parameter in ours.named_parameters():
            if name.endswith('.gate'):
                parameter.fill_(0.7)
        assert largest(ours(images()), start) > 1e-3


BACKBONES = {
    'ResNetV1c': (dict(type='mmseg.ResNetV1c', **dict(SMALL, depth=18), **D8), 'layer[34].*.bn2', 4),
    'MobileNetV2': (dict(type='mmseg.MobileNetV2', widen_factor=0.25, out_indices=(1, 6)), 'layer[67].*.conv.1', 4),
    'HRNet': (
        dict(
            type='mmseg.HRNet',
            extra=dict(
                stage1=dict(num_modules=1, num_branches=1, block='BOTTLENECK', num_blocks=(1,), num_channels=(8,)),
                **{
                    f'stage{stage}': dict(
                        num_modules=1,
                        num_branches=stage,
                        block='BASIC',
                        num_blocks=(1,) * stage,
                        num_channels=(8, 16, 32, 64)[:stage],
                    )
                    for stage in (2, 3, 4)
                },
            ),
        ),
        'stage4.0.branches.?.0.bn2',
        4,
    ),
}


@pytest.mark.parametrize('backbone, at, count', BACKBONES.values(), ids=BACKBONES)
def test_attention_behind_modules_of_a_backbone_of_mmseg(backbone, at, count):
    plain = build(backbone)
    attentive = build(
        dict(type='mmattn.AttentionOn', backbone=backbone, at=at, attn=dict(type='mmattn.ECA', identity_init=True))
    )
    assert type(attentive) is type(plain) and len(attentive.attention) == count
    attentive.load_state_dict(randomise(plain).state_dict(), strict=False)
    attentive.eval()
    attentive.double()
    with torch.no_grad():
        start = attentive(images(64))
        assert largest(start, plain(images(64))) <= 1e-8
    open_gates(attentive)
    assert largest(attentive(images(64)), start) > 1e-3
    attentive.train()
    sum(out.square().mean() for out in attentive(images(64))).backward()
    assert all(parameter.grad.any() for parameter in attentive.attention.parameters())


def open_gates(network: nn.Module) -> nn.Module:
    for attention in network.attention.values():
        nn.init.constant_(attention.gate, 0.7)
    return network


@pytest.fixture(params=HEADS)
def heads(request):
    """A decode head of mmsegmentation, and the same with attention and its weights, in eval mode."""
    settings, at, count = HEADS[request.param]
    head = dict(type=f'mmseg.{request.param}', channels=8, num_classes=3, norm_cfg=dict(type='BN'), **settings)
    attentive = build(
        dict(
            type='mmattn.AttentionOn',
            backbone=head,
            feature_channels=CHANNELS,
            at=at,
            attn=dict(type='mmattn.ECA', identity_init=True),
        )
    )
    plain = randomise(build(head))
    assert type(attentive) is type(plain) and len(attentive.attention) == count
    attentive.load_state_dict(plain.state_dict(), strict=False)
    return plain, attentive.eval().double()


def run(head: nn.Module) -> torch.Tensor:
    """As mmsegmentation does it, without the hooks of the head."""
    with torch.no_grad():
        return head.eval().predict(features(), [dict(img_shape=(32, 32))], {})


def test_attention_behind_modules_of_a_decode_head(heads):
    plain, attentive = heads
    start = run(plain)
    assert largest([run(attentive)], [start]) <= 1e-8
    after = run(open_gates(attentive))
    assert largest([after], [start]) > 1e-5
    for made in (copy.deepcopy(attentive), pickle.loads(pickle.dumps(attentive))):
        assert torch.equal(run(made), after)
    synchronised = convert_sync_batchnorm(copy.deepcopy(attentive))
    assert any(isinstance(module, nn.SyncBatchNorm) for module in synchronised.modules())
    assert largest([run(synchronised)], [after]) <= 1e-8
    assert largest([run(revert_sync_batchnorm(synchronised))], [after]) <= 1e-8
    attentive.train()
    attentive.forward(features()).square().mean().backward()
    assert all(parameter.grad.any() for parameter in attentive.attention.parameters())


def test_a_head_that_is_given_no_feature_maps_says_what_it_takes():
    head = dict(type='mmseg.FCNHead', in_channels=256, channels=8, num_classes=3)
    with pytest.raises(ValueError, match='feature_channels'):
        build(dict(type='mmattn.AttentionOn', backbone=head, at='convs.0', attn='mmattn.SE'))


def test_modules_of_a_decode_head_are_listed(tmp_path):
    """Of the head inside, where attention is on it already, with the shapes that they have behind the backbone."""
    path = tmp_path / 'segmentor.py'
    settings, at = HEADS['PSPHead'][0], 'psp_modules.?.1'
    head = dict(type='PSPHead', channels=8, num_classes=3, **settings)
    on_head = dict(type='mmattn.AttentionOn', backbone=head, feature_channels=CHANNELS, at=at, attn='mmattn.ECA')
    backbone = dict(type='mmattn.AttnResNet', **SMALL, **D8)
    lists = []
    for decode_head in (head, on_head):
        model = dict(type='EncoderDecoder', backbone=backbone, decode_head=decode_head, test_cfg=dict(mode='whole'))
        path.write_text(f"default_scope = 'mmseg'\nmodel = {model!r}\n")
        lists.append([module for module in attachable(path, (64, 96)) if module.part == 'decode_head'])
    assert lists[0] == lists[1]
    shapes = {module.name: module.shapes for module in lists[0]}
    assert shapes['psp_modules.1.1.conv'] == ((1, 8, 2, 2),) and shapes['bottleneck'] == ((1, 8, 8, 12),)
