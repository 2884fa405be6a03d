"""Attention after a stage: what the stage without it gives, passed through the attention."""

import pytest
import torch

from mmattn.models.backbones import AttnResNet

AFTER = dict(type='mmattn.AfterStage', attn='mmattn.BAM')


@pytest.fixture
def net():
    torch.manual_seed(0)
    return AttnResNet(depth=18, depth_attn=[None, AFTER, None, None]).eval()


def test_equals_plain_stage_then_attention(net):
    plain = AttnResNet(depth=18).eval()
    plain.load_state_dict({k: v for k, v in net.state_dict().items() if 'depth_attn' not in k})
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = net.layer2.depth_attn.attn(plain(x)[1])
        torch.testing.assert_close(net(x)[1], expected)
        assert not torch.allclose(expected, plain(x)[1])


def test_every_parameter_of_it_learns(net):
    sum(x.sum() for x in net.train()(torch.rand(2, 3, 64, 64))).backward()
    for name, parameter in net.layer2.depth_attn.named_parameters():
        assert parameter.grad is not None, name


def test_bam50_has_the_published_parameters():
    net = AttnResNet(depth=50, depth_attn=[AFTER] * 3 + [None])
    classifier = sum(p.numel() for p in net.parameters()) + 2049 * 1000
    assert f'{classifier / 1e6:.2f}' == '25.92'  # SDA-xNet's table
