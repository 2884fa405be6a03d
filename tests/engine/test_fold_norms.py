"""Norms folded in training: undone after it, so that a prepared copy of the trained model is right."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmattn.engine.fold_norms import FoldNormsHook, fold_norms_in_training, unfold_norms_in_training
from mmattn.inference import prepare
from mmattn.models.backbones import AttnResNet

pytestmark = pytest.mark.usefixtures('quiet_init')


def randomised() -> AttnResNet:
    torch.manual_seed(0)
    net = AttnResNet(depth=18, base_channels=8, stem_channels=8, depth_attn='mmattn.SDA').double()
    for module in net.modules():
        if isinstance(module, _BatchNorm):
            for value in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                value.copy_(torch.rand_like(value) + 0.5)
    return net.eval()


def assert_same(ours: tuple, expected: tuple) -> None:
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10 * b.abs().max().item())


@torch.no_grad()
def test_a_prepared_copy_is_right_while_norms_are_folded_and_after():
    net, x = randomised(), torch.randn(2, 3, 64, 64, dtype=torch.double)
    expected = net(x)
    assert fold_norms_in_training(net) > 20
    assert_same(net(x), expected)
    assert_same(prepare(net)(x), expected)
    unfold_norms_in_training(net)
    assert_same(net(x), expected)
    prepared = prepare(net)
    assert_same(prepared(x), expected)
    assert not [module for module in prepared.modules() if isinstance(module, _BatchNorm)]


def test_the_hook_folds_for_the_training_and_undoes_it():
    model = nn.Module()
    model.backbone, lines = randomised(), []
    runner = SimpleNamespace(model=model, logger=SimpleNamespace(info=lines.append))
    hook = FoldNormsHook()
    hook.before_train(runner)
    assert 'forward' in vars(model.backbone.bn1) and 'norms are folded' in lines[0]
    hook.after_train(runner)
    assert not [name for name, module in model.named_modules() if 'forward' in vars(module)]
