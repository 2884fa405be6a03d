"""Stages that no output is computed from: they have their keys, but are neither computed nor trained."""

import pytest
import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from mmattn.models.backbones import AttnResNet, attn_resnet

TINY = dict(base_channels=8, attn='mmattn.SE', depth_attn='mmattn.SDA', norm_cfg=dict(type='GN', num_groups=2))


def build(**options) -> AttnResNet:
    return AttnResNet(50, **TINY | options)


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(attn_resnet, 'print_log', lambda line, *_: lines.append(line))
    return lines


@pytest.fixture
def one_process(tmp_path):
    distributed.init_process_group('gloo', init_method=f'file://{tmp_path}/group', rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.parametrize(
    'options',
    [
        dict(out_indices=(0, 1, 2)),
        dict(out_indices=(1,)),
        dict(out_indices=(2,), frozen_stages=1),
        dict(out_indices=(1,), block='preact', expansion=4, norm_cfg=None),
    ],
    ids=str,
)
def test_distributed_training_needs_no_search_for_unused_parameters(one_process, options):
    net = DistributedDataParallel(build(**options).train())
    optimizer = torch.optim.SGD((p for p in net.parameters() if p.requires_grad), lr=0.1)
    for _ in range(2):  # the second step raises where a parameter of the first got no gradient
        sum(out.square().mean() for out in net(torch.rand(2, 3, 64, 64))).backward()
        optimizer.step()
    assert all(p.grad is not None for p in net.parameters() if p.requires_grad)


def test_an_unread_stage_is_not_computed_and_the_outputs_are_those_of_the_whole_network():
    whole, part = build().eval(), build(out_indices=(0, 2)).eval()
    part.load_state_dict(whole.state_dict())
    part.layer4.register_forward_hook(lambda *_: pytest.fail('computed'))
    images = torch.rand(1, 3, 64, 64)
    for a, b in zip(part(images), [whole(images)[i] for i in (0, 2)], strict=True):
        assert torch.equal(a, b)


def test_an_unread_stage_stays_frozen_in_training_and_with_a_checkpoint_that_lacks_it(tmp_path, said):
    state = {k: v for k, v in build().state_dict().items() if not k.startswith('layer4.')}
    torch.save(state, tmp_path / 'x.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'x.pth'))
    net = build(out_indices=(0, 1), frozen_stages=4, init_cfg=init_cfg)
    net.init_weights()
    net.train()
    assert not any(p.requires_grad for name in ('layer3', 'layer4') for p in getattr(net, name).parameters())


@pytest.mark.parametrize(
    'options, stages',
    [
        (dict(out_indices=(0, 1, 2)), 'layer4'),
        (dict(out_indices=(1,)), 'layer3, layer4'),
        (dict(out_indices=(2,), block='preact', expansion=4, norm_cfg=None), 'layer4, bn'),
    ],
)
def test_one_line_says_which_stages_are_without_use(said, quiet_init, options, stages):
    build(**options).init_weights()
    (line,) = said
    assert f'leave {stages} without use: neither computed nor trained' in line


def test_nothing_is_said_where_all_stages_are_read(said, quiet_init):
    build(out_indices=(1, 3)).init_weights()
    assert said == []


def test_it_traces_and_exports():
    net = build(out_indices=(1,)).eval()
    images = torch.rand(1, 3, 64, 64)
    traced = torch.fx.symbolic_trace(net)
    assert torch.equal(traced(images)[0], net(images)[0])
    assert not any(str(node.target).startswith('layer3') for node in traced.graph.nodes)
