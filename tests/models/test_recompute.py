"""What the backward pass computes again: the same gradients, less memory."""
import copy
import weakref
from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from networks import images
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmattn.models import recompute
from mmattn.models.backbones import AttnResNet, attn_resnet
from mmattn.models.blocks import residual
from mmattn.models.recompute import _open_scope, normed, recomputable, recomputing
from mmattn.registry import MODELS

ATTENTION = sorted(
    name for name, cls in MODELS.module_dict.items() if cls.__module__.startswith('mmattn.models.attention'))


def gradients(net: nn.Module, x: Tensor, autocast=nullcontext) -> list[Tensor]:
    """Of the image and of every parameter, and the state afterwards; of a copy of the network in training mode."""
    net, x = copy.deepcopy(net).train(), x.clone().requires_grad_()
    with autocast():
        outs = net(x)
    outs = outs if isinstance(outs, tuple) else (outs,)
    torch.autograd.backward(outs, [torch.ones_like(out) / out.numel() for out in outs])
    return [x.grad, *(p.grad for p in net.parameters()), *net.state_dict().values()]


@pytest.fixture
def keeping_all(monkeypatch):
    """A function to call for the ordinary way, in which everything is kept."""
    def keep_all() -> None:
        for module in (residual, attn_resnet):
            monkeypatch.setattr(module, 'recomputing', lambda function, *inputs: function(*inputs))
    return keep_all


def assert_same(ours: list[Tensor], ordinary: list[Tensor]) -> None:
    for a, b in zip(ours, ordinary, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_networks_get_the_gradients_of_the_ordinary_way(small, keeping_all):
    net, size = small
    x = images(2, 3, size, size).contiguous(memory_format=torch.channels_last)  # as large batches are
    ours = gradients(net, x)
    keeping_all()
    assert_same(ours, gradients(net, x))


@pytest.mark.parametrize('options', [
    dict(norm_cfg=dict(type='GN', num_groups=4)), dict(norm_eval=True), dict(block='preact', stage_blocks=(2, 1, 1, 1)),
    dict(depth_attn='mmattn.SDA'), dict(depth_attn='mmattn.SDA', with_cp=True), dict(with_cp=True),
    dict(deep_stem=True), dict(frozen_stages=1)], ids=str)
def test_options_get_the_gradients_of_the_ordinary_way(options, keeping_all):
    torch.manual_seed(0)
    net, x = AttnResNet(depth=18, attn='mmattn.SE', **options), torch.randn(2, 3, 64, 64)
    if options.get('frozen_stages'):
        assert gradients(net, x)[1] is None
        return
    ours = gradients(net, x)
    keeping_all()
    assert_same(ours, gradients(net, x))


@pytest.mark.parametrize('name', ATTENTION)
def test_attention_gets_the_gradients_of_the_ordinary_way(name, keeping_all):
    torch.manual_seed(0)
    net, x = AttnResNet(depth=18, num_stages=1, base_channels=128, attn=f'mmattn.{name}'), torch.randn(2, 3, 32, 32)
    ours = gradients(net, x)
    keeping_all()
    assert_same(ours, gradients(net, x))


def test_under_autocast(keeping_all):
    torch.manual_seed(0)
    net, x = AttnResNet(depth=18, attn='mmattn.SE', depth_attn='mmattn.SDA'), torch.randn(2, 3, 64, 64)
    ours = gradients(net, x, lambda: torch.autocast('cpu', torch.bfloat16))
    keeping_all()
    assert_same(ours, gradients(net, x, lambda: torch.autocast('cpu', torch.bfloat16)))


class Counted:
    """``relu`` that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Tensor) -> Tensor:
        self.calls += 1
        return F.relu(x)


def freeable(value: Tensor) -> tuple[Tensor, weakref.ref]:
    """A copy of `value`, and what tells whether its memory is still in use."""
    array = value.numpy().copy()
    return torch.from_numpy(array), weakref.ref(array)


def test_memory_is_freed_and_the_value_made_once_for_all_who_need_it():
    x, function = torch.randn(4, 6), Counted()
    w1, w2 = (torch.randn(6, 6, requires_grad=True) for _ in range(2))
    with _open_scope():
        out, memory = freeable(F.relu(x))
        recomputable(out, function, x)
        y = (out @ w1).sum() + (out @ w2).square().sum() + (out[1:] @ w1).sum()
        assert memory() is not None
        del out
    assert memory() is None
    for calls in (1, 2):
        grads = torch.autograd.grad(y, (w1, w2), retain_graph=True)
        assert function.calls == calls
    z = F.relu(x)
    expected = torch.autograd.grad((z @ w1).sum() + (z @ w2).square().sum() + (z[1:] @ w1).sum(), (w1, w2))
    assert_same(grads, expected)


def test_is_made_of_what_is_made_again_itself():
    x, w = torch.randn(3, 3), torch.randn(3, 3, requires_grad=True)
    with _open_scope():
        a, memory_a = freeable(x + 1)
        recomputable(a, lambda x: x + 1, x)
        b, memory_b = freeable(2 * a)
        recomputable(b, lambda a: 2 * a, a)
        y = (a @ w + b @ w).sum()
        del a, b
    assert memory_a() is None and memory_b() is None
    y.backward()
    torch.testing.assert_close(w.grad, (3 * (x + 1)).sum(0)[:, None].expand(3, 3))


def test_what_was_changed_afterwards_is_kept():
    x, w = torch.rand(3, 3), torch.randn(3, 3, requires_grad=True)
    with _open_scope():
        out = recomputable(2 * x, lambda x: 2 * x, x)
        out += 1
        y = (out @ w).sum()
    y.backward()
    torch.testing.assert_close(w.grad, (2 * x + 1).sum(0)[:, None].expand(3, 3))


def test_what_is_never_differentiated_is_freed():
    base, memory = freeable(torch.randn(3, 3))
    w = torch.randn(3, 3, requires_grad=True)
    with _open_scope():
        out = (base * w).sigmoid()  # which is kept itself for its gradient
    assert memory() is not None
    del base, out
    assert memory() is None


def test_what_the_backward_pass_needs_must_not_change():
    net, x = AttnResNet(depth=18), torch.randn(2, 3, 64, 64)
    out = net(x)[-1].sum()
    with torch.no_grad():
        net.layer2[0].conv2.weight.add_(1)
    with pytest.raises(RuntimeError, match='inplace'):
        out.backward()


@pytest.mark.parametrize('norm_cfg', [dict(type='BN'), dict(type='GN', num_groups=4)], ids=str)
def test_norms_must_not_change(norm_cfg):
    net = AttnResNet(depth=18, num_stages=1, norm_cfg=norm_cfg)
    out = net(torch.randn(2, 3, 32, 32))[-1].sum()
    with torch.no_grad():
        net.layer1[0].bn1.bias.add_(1)
    with pytest.raises(RuntimeError, match='inplace'):
        out.backward()


@pytest.mark.parametrize('norm_cfg', [dict(type='BN'), dict(type='GN', num_groups=4)], ids=str)
def test_parameters_of_a_functional_call_are_those_of_the_backward_pass(norm_cfg, keeping_all):
    torch.manual_seed(0)
    net, x = AttnResNet(depth=18, num_stages=1, norm_cfg=norm_cfg), torch.randn(2, 3, 32, 32)
    others = {name: (p + 0.3 * torch.randn_like(p)).detach().requires_grad_() for name, p in net.named_parameters()}

    def gradients_of_others() -> list[Tensor]:
        out, = torch.func.functional_call(copy.deepcopy(net), others, x)
        return list(torch.autograd.grad(out.square().mean(), others.values()))

    ours = gradients_of_others()
    keeping_all()
    assert_same(ours, gradients_of_others())


def test_a_random_activation_is_drawn_once(keeping_all):
    net, x = AttnResNet(depth=18, num_stages=1), torch.randn(2, 3, 32, 32)
    for block in net.layer1:
        block.relu = nn.RReLU()
    torch.manual_seed(0)
    ours = gradients(net, x)
    keeping_all()
    torch.manual_seed(0)
    assert_same(ours, gradients(net, x))


def test_a_plugin_that_keeps_what_it_returned(keeping_all):
    torch.manual_seed(0)
    plugin = dict(cfg=dict(type='ConvModule', out_channels=256, kernel_size=1), position='after_conv3')  # ends in ReLU
    net, x = AttnResNet(depth=50, num_stages=1, plugins=[plugin]), torch.randn(2, 3, 32, 32)
    ours = gradients(net, x)
    keeping_all()
    assert_same(ours, gradients(net, x))


def test_an_empty_batch_has_gradients():
    net = AttnResNet(depth=18, attn='mmattn.SE')
    net.eval()(torch.randn(0, 3, 32, 32))[-1].sum().backward()
    assert all(not p.grad.any() for p in net.parameters())


def test_a_hook_of_the_activation_is_called_once_a_pass():
    net, calls = AttnResNet(depth=18, num_stages=1), []
    net.layer1[0].relu.register_forward_hook(lambda module, args, out: calls.append(out.requires_grad))
    net(torch.randn(2, 3, 32, 32))[-1].sum().backward()
    assert calls == [True]


def test_a_call_in_a_call_is_part_of_it():
    x, w, function = torch.randn(3, 3), torch.randn(3, 3, requires_grad=True), Counted()

    def inner() -> Tensor:
        return recomputable(F.relu(x), function, x)

    recomputing(lambda: recomputing(inner) @ w).sum().backward()
    assert function.calls == 1


def test_outside_of_a_scope_and_without_gradients_nothing_happens():
    x, w, function = torch.randn(3, 3), torch.randn(3, 3, requires_grad=True), Counted()
    (recomputable(F.relu(x), function, x) @ w).sum().backward()
    with torch.no_grad():
        recomputing(lambda: recomputable(F.relu(x), function, x))
    assert function.calls == 0


def test_a_checkpoint_around_it_decides():
    torch.manual_seed(0)
    net, kept, asked = AttnResNet(depth=18), [], []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    if not hasattr(torch._C._autograd, '_top_saved_tensors_default_hooks'):
        pytest.skip('this torch cannot tell')
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: asked.append(tensor) or tensor):
        out = net(torch.randn(2, 3, 64, 64))[-1]
    out.sum().backward()
    assert len(kept) > 100 and len(asked) > 100
    x = torch.randn(2, 3, 64, 64)
    ours = gradients(net, x)
    wrapped = copy.deepcopy(net)
    forward = wrapped.layer2.forward
    wrapped.layer2.forward = lambda x: checkpoint(forward, x, use_reentrant=False)
    x.requires_grad_()
    torch.autograd.backward(outs := wrapped(x), [torch.ones_like(out) / out.numel() for out in outs])
    assert_same([x.grad, *(p.grad for p in wrapped.parameters())], ours[:1 + len(list(net.parameters()))])


def test_an_error_closes_the_scope():
    with pytest.raises(KeyError), _open_scope():
        raise KeyError
    with _open_scope():
        assert recompute._local.scope is not None
    assert recompute._local.scope is None


@pytest.mark.parametrize('norm, repeated', [
    (nn.BatchNorm2d(4), True), (nn.BatchNorm2d(4).eval(), True), (nn.BatchNorm2d(4, track_running_stats=False), True),
    (nn.GroupNorm(2, 4), True), (nn.SyncBatchNorm(4).eval(), False), (nn.InstanceNorm2d(4), False)], ids=str)
def test_norms(norm, repeated):
    x, w = torch.randn(2, 4, 5, 5), torch.randn(3, 4, 1, 1, requires_grad=True)
    with _open_scope():
        out = normed(norm, x, F.relu)
        scope_recipes = len(recompute._local.scope.recipes)
        y = F.conv2d(out, w).sum()
    assert scope_recipes == repeated
    y.backward()
    torch.testing.assert_close(w.grad, out.detach().sum((0, 2, 3)).view(1, 4, 1, 1).expand_as(w))


def test_a_norm_with_a_hook_is_not_repeated():
    norm, x, w = nn.BatchNorm2d(4), torch.randn(2, 4, 5, 5), torch.randn(3, 4, 1, 1, requires_grad=True)
    norm.register_forward_hook(lambda module, args, out: 2 * out)
    with _open_scope():
        out = normed(norm, x)
        y = F.conv2d(out, w).sum()
    y.backward()
    torch.testing.assert_close(w.grad, out.detach().sum((0, 2, 3)).view(1, 4, 1, 1).expand_as(w), rtol=1e-4, atol=1e-4)


def test_running_statistics_move_once():
    net, x = AttnResNet(depth=18), torch.randn(2, 3, 64, 64)
    net(x)[-1].sum().backward()
    assert {m.num_batches_tracked.item() for m in net.modules() if isinstance(m, nn.BatchNorm2d)} == {1}


def test_second_derivatives():
    x = torch.rand(2, 3, dtype=torch.double, requires_grad=True)
    w = torch.rand(3, 3, dtype=torch.double, requires_grad=True)

    def function(x, w):
        with _open_scope():
            a = x * 2
            recomputable(a, lambda x: x * 2, x)
            return (a @ w).square() * a

    assert torch.autograd.gradgradcheck(function, (x, w))


@pytest.mark.parametrize('name', ATTENTION)
def test_attention_bears_a_map_that_differs_in_its_last_bit(name, monkeypatch):
    """As it may where a device's sums are not the same twice."""
    torch.manual_seed(0)
    make = recompute._Recipe.make
    monkeypatch.setattr(recompute._Recipe, 'make', lambda self: make(self) * (1 + 1e-6))
    net, x = AttnResNet(depth=18, num_stages=1, base_channels=128, attn=f'mmattn.{name}'), torch.randn(2, 3, 32, 32)
    assert all(value.isfinite().all() for value in gradients(net, x))
