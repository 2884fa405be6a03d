"""The network that weights are of, inferred from their keys and shapes."""
import pytest
import torch
from networks import NETWORKS

from mmattn.description import describe
from mmattn.registry import MODELS


def shapes(backbone) -> dict:
    return {k: v.shape for k, v in backbone.state_dict().items()}


@pytest.mark.parametrize('name', NETWORKS)
def test_the_described_network_has_the_same_keys_and_shapes(name):
    with torch.device('meta'):
        net = NETWORKS[name].build_small()
        found = describe(net.state_dict())
        assert shapes(MODELS.build(dict(found.backbone))) == shapes(net.backbone)
    assert found.classes == NETWORKS[name].classes
    assert found.backbone['stage_blocks'] == (2, 1, 1, 1)[:len(net.backbone.stage_names)]


@pytest.mark.parametrize('name, expected', [
    ('sda_resnet86', dict(type='mmattn.SDAResNet', depth=86)),
    ('epsanet50_large', dict(type='mmattn.EPSANet', depth=50, size='large')),
    ('mspanet50_b_cifar100', dict(type='mmattn.MSPANet', depth=50, size='B', stem='cifar')),
    ('spem164_cifar10', dict(type='mmattn.SPEMResNet', depth=164)),
    ('preact_resnet164_cifar100', dict(
        type='mmattn.AttnResNet', depth=164, block='preact', stem='cifar', base_channels=16)),
    ('sda_epsanet86', dict(type='mmattn.EPSANet', depth=86, depth_attn='mmattn.SDA')),
])
def test_depth_and_name(name, expected):
    with torch.device('meta'):
        assert describe(NETWORKS[name].build().state_dict()).backbone == expected


@pytest.mark.parametrize('options', [
    dict(depth=18), dict(depth=34, attn='mmattn.ECA'), dict(depth=50, deep_stem=True), dict(depth=50, base_channels=16),
    dict(depth=50, spatial=dict(type='mmattn.GroupedConv', groups=32, base_width=4))])
def test_other_settings_of_the_trunk(options):
    with torch.device('meta'):
        backbone = MODELS.build(dict(type='mmattn.AttnResNet', **options))
        found = describe({f'backbone.{k}': v for k, v in backbone.state_dict().items()})
        assert shapes(MODELS.build(dict(found.backbone))) == shapes(backbone)
    assert found.classes is None and 'no classifier' in str(found)


def test_what_is_no_residual_network():
    assert describe({'backbone.patch_embed.weight': torch.zeros(1)}) is None
    odd = describe({'backbone.layer1.0.strange.weight': torch.zeros(1)})
    assert odd.backbone == dict(type='mmattn.AttnResNet')
