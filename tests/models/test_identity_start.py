"""With identity_init a network with attention starts as the pretrained one without it, and then trains."""

from __future__ import annotations

import mmattn.models  # noqa: F401  isort: skip  before mmdet
import copy
import math

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn

from mmattn.engine.hooks import GateHook
from mmattn.models.depth import SDA
from mmattn.models.gate import named_gates
from mmattn.registry import MODELS

NAMES = sorted(
    name for name, cls in MODELS.module_dict.items() if cls.__module__.startswith('mmattn.models.attention.')
)
# a softmax does not see what is added to all of its inputs
NO_GRADIENT = ('mask.bias',)
# multiplied by another parameter that starts at zero itself: SPEM's w1, the shuffle attention's sweight
THIRD_STEP = ('.p', '.norm.weight', '.norm.bias')


pytestmark = pytest.mark.usefixtures('quiet_init')


def build(cls='mmattn.AttnResNet', **options) -> nn.Module:
    torch.manual_seed(0)
    return MODELS.build(dict(type=cls, depth=50, base_channels=32, stem_channels=8, **options))


def trained(network: nn.Module) -> dict:
    """A state_dict with the statistics of two images."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    network.train()
    with torch.no_grad():
        network(torch.rand(2, 3, 64, 64))
    for norm in norms:
        norm.momentum = 0.1
    return copy.deepcopy(network.state_dict())


def same_start(plain: nn.Module, attentive: nn.Module) -> None:
    result = attentive.load_state_dict(trained(plain), strict=False)
    assert result.missing_keys and not result.unexpected_keys
    x = torch.rand(2, 3, 64, 64)
    plain.train(), attentive.train()
    for ours, theirs in zip(attentive(x), plain(x)):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    plain.eval(), attentive.eval()
    with torch.no_grad():
        for ours, theirs in zip(attentive(x), plain(x)):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def new_parameters(attentive: nn.Module, plain: nn.Module) -> dict:
    old = set(plain.state_dict())
    return {key: p for key, p in attentive.named_parameters() if key not in old}


def trains(plain: nn.Module, attentive: nn.Module) -> None:
    """Old parameters and gates get a gradient in the first step, what is behind the gates in the second.

    With the norms as loaded, as detectors train: a bias gets none from a BatchNorm behind it that is in training.
    """
    attentive.eval()
    new, x = new_parameters(attentive, plain), torch.rand(2, 3, 64, 64)
    optimizer = torch.optim.Adam(new.values(), lr=1e-2)  # whose steps are the same however large a gradient is
    for step in range(3):
        attentive.zero_grad()
        sum(out.square().mean() for out in attentive(x)).backward()
        for key, parameter in attentive.named_parameters():
            assert parameter.grad is not None and parameter.grad.isfinite().all(), key
            first = 0 if key not in new or key.endswith('gate') else 2 if key.endswith(THIRD_STEP) else 1
            if step >= first and not key.endswith(NO_GRADIENT):
                assert parameter.grad.any(), (step, key)
        optimizer.step()


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_our_trunk(name):
    plain, attentive = (
        build(),
        build(
            attn=dict(type=f'mmattn.{name}', identity_init=True), depth_attn=dict(type='mmattn.SDA', identity_init=True)
        ),
    )
    assert len(list(named_gates(attentive))) == 16 + 4
    same_start(plain, attentive)
    trains(plain, attentive)


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_plugin_of_mmdets_resnet(name):
    pytest.importorskip('mmdet')
    plugin = dict(cfg=dict(type=f'mmattn.{name}', identity_init=True), position='after_conv3')
    plain, attentive = (build('mmdet.ResNet', norm_eval=False, **options) for options in ({}, dict(plugins=[plugin])))
    same_start(plain, attentive)
    trains(plain, attentive)


def test_depth_attention_alone_in_a_basic_trunk():
    options = dict(depth_attn=[None, None, dict(type='mmattn.SDA', identity_init=True), None])
    plain, attentive = (
        MODELS.build(dict(type='mmattn.AttnResNet', depth=18, base_channels=8, **more)) for more in ({}, options)
    )
    same_start(plain, attentive)
    trains(plain, attentive)


def test_depth_gate_goes_from_the_last_map_to_attention():
    maps = [torch.randn(2, 16, 5, 4) for _ in range(3)]
    torch.manual_seed(0)
    gated = SDA(16, 3, identity_init=True).eval()
    torch.manual_seed(0)
    plain = SDA(16, 3).eval()
    assert set(gated.state_dict()) - set(plain.state_dict()) == {'gate'}
    with torch.no_grad():
        assert torch.equal(gated(maps), maps[-1])
        for gate in (1.0, 0.3):
            gated.gate.fill_(gate)
            torch.testing.assert_close(gated(maps), maps[-1] + gate * (plain(maps) - maps[-1]))
            torch.testing.assert_close(gated.depth_weights(maps).sum(1), torch.ones(2, 16, 1, 1))


def test_without_it_there_is_no_gate():
    assert not list(named_gates(build(attn='mmattn.SE', depth_attn='mmattn.SDA')))


class Regression(BaseModel):
    """Learns to give back its images; `attention` as registered."""

    def __init__(self, identity_init: bool) -> None:
        super().__init__()
        self.first = MODELS.build(dict(type='mmattn.SE', in_channels=3, identity_init=identity_init))
        self.second = MODELS.build(dict(type='mmattn.ECA', in_channels=3, identity_init=identity_init))

    def forward(self, inputs, data_samples=None, mode='loss'):
        inputs = torch.stack(inputs)
        return dict(loss=(self.second(self.first(inputs)) - inputs / 2).square().mean())


def train(tmp_path, name: str, identity_init: bool, **hook) -> Runner:
    data = [dict(inputs=torch.rand(3, 8, 8)) for _ in range(10)]
    runner = Runner(
        Regression(identity_init),
        str(tmp_path),
        experiment_name=name,
        log_level='INFO',
        train_dataloader=dict(dataset=data, sampler=dict(type='DefaultSampler', shuffle=False), batch_size=2),
        train_cfg=dict(by_epoch=True, max_epochs=2),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=1.0)),
        default_hooks=dict(logger=dict(type='LoggerHook', interval=2), checkpoint=None),
        custom_hooks=[dict(type='mmattn.GateHook', **hook)],
    )
    runner.train()
    return runner


def test_hook_logs_the_gates(tmp_path):
    runner = train(tmp_path, 'gates', identity_init=True, interval=2, each=True)
    scalars = MessageHub.get_current_instance().log_scalars
    gates = [runner.model.first.gate.item(), runner.model.second.gate.item()]
    logged = {key: scalars[f'train/gate_{key}'].current() for key in ('mean', 'min', 'max')}
    assert all(gates) and logged == pytest.approx(dict(mean=sum(gates) / 2, min=min(gates), max=max(gates)))
    assert scalars['train/gate/first'].current() == pytest.approx(gates[0])
    assert len(scalars['train/gate_mean'].data[0]) == 6  # iterations 2, 4, 5 of either epoch
    text = next(tmp_path.glob('*/*.log')).read_text()
    assert 'gate_mean: ' in text
    assert 'gate_mean' in next(tmp_path.glob('*/vis_data/scalars.json')).read_text()


def test_hook_without_gates_says_so(tmp_path):
    train(tmp_path, 'no_gates', identity_init=False)
    assert 'nothing to log' in next(tmp_path.glob('*/*.log')).read_text()
    scalars = MessageHub.get_current_instance().log_scalars
    assert 'train/gate_mean' not in scalars and math.isfinite(scalars['train/loss'].current())


def test_hook_refuses_no_interval():
    with pytest.raises(ValueError, match='interval'):
        GateHook(interval=0)
