"""Folding of BatchNorm into the convolution before it, for inference.

In eval mode BatchNorm is a scale and a shift for each channel, and a convolution can take both into its weights and
its bias: ``s * (W x + b) + t = (s W) x + (s b + t)``. It can where nothing is between the two. Which norm alone reads
the output of which convolution is known to the module that calls both, which says so by a method
``conv_norm_pairs()``: an iterator over names of a convolution and of a norm among its submodules. A module that
returns the outputs of several convolutions side by side may be in the place of a convolution, if a method
``output_convs()`` returns them in this order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.nn.utils.parametrize import is_parametrized

from mmattn.models.spatial.pyramid import PyramidConv
from mmattn.ops.switch import is_hooked


def fold_norms(model: nn.Module) -> None:
    """Folds the BatchNorms of a model into the convolutions before them, in place.

    Norms of other kinds, BatchNorm without running statistics or in training mode, and what has hooks (as attention by
    `AttentionOn` has) or is used in several places stay. The weights must not change any more, and the state_dict
    has other keys.

    Args:
        model: Network or module, or whatever contains some.
    """
    for parent, convs, norm, name in list(_pairs(model)):
        if not norm.training:
            _fold(convs, norm)
            setattr(parent, name, nn.Identity().eval())


def foldable_pairs(model: nn.Module) -> Iterator[tuple[nn.Conv2d, _BatchNorm]]:
    """Each convolution of a model, and the BatchNorm that alone reads its output.

    Args:
        model: Network or module, or whatever contains some.
    """
    for _, convs, norm, _ in _pairs(model):
        if len(convs) == 1:
            yield convs[0], norm


def _pairs(model: nn.Module) -> Iterator[tuple[nn.Module, list[nn.Conv2d], _BatchNorm, str]]:
    """Convolutions side by side, the BatchNorm that alone reads them, its parent and its name there."""
    places = Counter(module for _, module in model.named_modules(remove_duplicate=False))
    for module in model.modules():
        for conv_name, norm_name in _named_pairs(module):
            layer: Any = module.get_submodule(conv_name)
            norm = module.get_submodule(norm_name)
            convs = layer.output_convs() if hasattr(layer, 'output_convs') else [layer]
            if (
                places[layer] == places[norm] == 1
                and isinstance(norm, _BatchNorm)
                and norm.running_mean is not None
                and all(map(_is_plain, convs))
                and not any(map(is_hooked, (layer, norm, *convs)))
            ):
                parent, _, name = norm_name.rpartition('.')
                yield module.get_submodule(parent), convs, norm, name


def _named_pairs(module: Any) -> Iterator[tuple[str, str]]:
    """Names, within `module`, of each convolution and of the norm that alone reads its output."""
    if type(module).forward is nn.Sequential.forward:
        yield from pairwise(module._modules)
    elif hasattr(module, 'conv_norm_pairs'):
        yield from module.conv_norm_pairs()


def _is_plain(conv: nn.Module) -> bool:
    """Whether `conv` computes what its weight says, which nothing computes: subclasses may standardise or deform it."""
    plain = (nn.Conv2d.forward, PyramidConv.forward)
    replaced = 'forward' in vars(conv)  # as where norms are folded in training
    return isinstance(conv, nn.Conv2d) and type(conv).forward in plain and not replaced and not is_parametrized(conv)


def _fold(convs: list[nn.Conv2d], norm: _BatchNorm) -> None:
    """Folds `norm` into convolutions whose outputs, side by side in this order, it reads."""
    sizes = [conv.out_channels for conv in convs]
    parts = [
        [None] * len(convs) if values is None else values.split(sizes)
        for values in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    ]
    for conv, mean, variance, scale, shift in zip(convs, *parts):
        conv.weight, conv.bias = fuse_conv_bn_weights(conv.weight, conv.bias, mean, variance, norm.eps, scale, shift)
