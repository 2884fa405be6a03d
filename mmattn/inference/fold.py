"""Folds BatchNorm into the convolution before it, for inference.

In eval mode BatchNorm is a scale and a shift for each channel, and a convolution can take both into its weights and
its bias: ``s * (W x + b) + t = (s W) x + (s b + t)``. It can where nothing stands between the two; what follows which
is known to the class that owns both, so the rules here are by class. Where branches F are weighed by a in between
(PSA, MSPA), the weighing takes scale and shift: ``s * (a F) + t = (s a) F + t``.
"""
from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from functools import singledispatch
from itertools import pairwise

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.nn.utils.parametrize import is_parametrized

from mmattn.models.attention import CoordAttention
from mmattn.models.attention.triplet import PlaneAttention
from mmattn.models.backbones import AttnResNet
from mmattn.models.blocks import BasicBlock, Bottleneck, PreActBottleneck
from mmattn.models.depth import SDA
from mmattn.models.hooked import is_hooked
from mmattn.models.spatial.branch_gate import BranchGate
from mmattn.models.spatial.mspa import MSPA
from mmattn.models.spatial.narrow_groups import NarrowGroupConv
from mmattn.models.spatial.psa import PSA
from mmattn.models.spatial.pyconv import PyConv
from mmattn.models.spatial.res2net import Res2NetConv

# Where the layers that end in weighed branches have the gate that weighs them.
GATES = {PSA: 'se', MSPA: 'attention'}


def fuse(model: nn.Module) -> nn.Module:
    """A copy of `model` whose convolutions have taken in the BatchNorms that follow them; for inference only.

    Its outputs equal those of `model` up to rounding. Norms of other kinds, BatchNorm without running statistics, and
    what has hooks (as attention by `AttentionOn` has) or is used in several places stay. The copy's weights must not
    change any more, and its state_dict has other keys: load and save those of the original.

    Args:
        model: a network or module of this package, or whatever contains one, in eval mode.

    Raises:
        ValueError: `model` is in training mode, in which BatchNorm takes its statistics from the batch.

    Example:
        >>> import torch
        >>> net, x = AttnResNet(depth=18).eval(), torch.rand(1, 3, 64, 64)
        >>> torch.allclose(fuse(net)(x)[-1], net(x)[-1], atol=1e-4)
        True
    """
    if model.training:
        raise ValueError('only a model in eval mode can be folded: call model.eval() before fuse(model)')
    model = copy.deepcopy(model)
    places = Counter(module for _, module in model.named_modules(remove_duplicate=False))
    for module in list(model.modules()):
        for layer, norm_name in _followed(module):
            norm = module.get_submodule(norm_name)
            bound = places[layer] > 1 or is_hooked(norm) or any(is_hooked(m) for m in layer.modules())
            if not bound and _has_fixed_statistics(norm) and _fold(layer, norm):
                parent, _, name = norm_name.rpartition('.')
                setattr(module.get_submodule(parent), name, nn.Identity().eval())
    for module in model.modules():
        if isinstance(module, NarrowGroupConv):
            module.prepare()
    return model


@singledispatch
def _followed(module: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """The layers of `module` after which a norm comes and nothing between, each with the name of the norm."""
    return iter(())


@_followed.register
def _(module: nn.Sequential) -> Iterator[tuple[nn.Module, str]]:
    for (_, layer), (name, _) in pairwise(module._modules.items()):
        yield layer, name


@_followed.register(AttnResNet)
def _(module: AttnResNet) -> Iterator[tuple[nn.Module, str]]:
    yield from _named(module, ('conv1', 'bn1'))


@_followed.register(BasicBlock)
@_followed.register(Bottleneck)
def _(module: BasicBlock | Bottleneck) -> Iterator[tuple[nn.Module, str]]:
    yield from _named(module, ('conv1', 'bn1'), ('conv2', 'bn2'), ('conv3', 'bn3'))


@_followed.register
def _(module: PreActBottleneck) -> Iterator[tuple[nn.Module, str]]:
    for i in (1, 2):
        if not module.plugin_names[f'after_conv{i}']:
            yield from _named(module, (f'conv{i}', f'bn{i + 1}'))


@_followed.register(MSPA)
@_followed.register(Res2NetConv)
def _(module: MSPA | Res2NetConv) -> Iterator[tuple[nn.Module, str]]:
    for i, conv in enumerate(module.convs[:len(module.bns)]):
        yield conv, f'bns.{i}'


@_followed.register
def _(module: SDA) -> Iterator[tuple[nn.Module, str]]:
    yield from _named(module, ('squeeze', 'bn'))


@_followed.register(CoordAttention)
@_followed.register(PlaneAttention)
def _(module: CoordAttention | PlaneAttention) -> Iterator[tuple[nn.Module, str]]:
    yield from _named(module, ('conv', 'norm'))


def _named(module: nn.Module, *pairs: tuple[str, str]) -> Iterator[tuple[nn.Module, str]]:
    """Those of the pairs of names that `module` has: a block may lack a norm or a convolution."""
    for conv, norm in pairs:
        if getattr(module, conv, None) is not None and getattr(module, norm, None) is not None:
            yield getattr(module, conv), norm


def _has_fixed_statistics(norm: nn.Module) -> bool:
    return isinstance(norm, _BatchNorm) and norm.running_mean is not None and not norm.training


def _fold(layer: nn.Module, norm: _BatchNorm) -> bool:
    """Folds `norm` into the layer whose output it reads, if that can take it."""
    if type(layer) in GATES:
        _fold_into_gate(getattr(layer, GATES[type(layer)]), norm)
        return True
    convs = list(layer.convs) if isinstance(layer, PyConv) else [layer]
    if not all(_is_plain(conv) for conv in convs):
        return False
    _fold_into_convs(convs, norm)
    return True


def _fold_into_gate(gate: BranchGate, norm: _BatchNorm) -> None:
    unit = torch.ones_like(norm.running_mean).view(-1, 1, 1, 1)
    norm_scale, norm_shift = fuse_conv_bn_weights(
        unit, None, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
    gate.fold(norm_scale.detach().view(1, -1, 1, 1), norm_shift.detach().view(1, -1, 1, 1))


def _fold_into_convs(convs: list[nn.Conv2d], norm: _BatchNorm) -> None:
    """Folds `norm` into convolutions that stand side by side, whose outputs it reads in this order."""
    sizes = [conv.out_channels for conv in convs]
    parts = [[None] * len(convs) if values is None else values.split(sizes)
             for values in (norm.running_mean, norm.running_var, norm.weight, norm.bias)]
    for conv, mean, variance, scale, shift in zip(convs, *parts):
        conv.weight, conv.bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, mean, variance, norm.eps, scale, shift)


def _is_plain(conv: nn.Module) -> bool:
    """Whether `conv` computes what its weight says, which nothing computes: subclasses may standardise or deform it."""
    return isinstance(conv, nn.Conv2d) and type(conv).forward is nn.Conv2d.forward and not is_parametrized(conv)
