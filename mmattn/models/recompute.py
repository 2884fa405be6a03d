"""Maps that the backward pass makes anew instead of keeping them.

What a norm puts out follows from what it takes in, and the norm keeps that for its own backward pass. So the
convolution behind it need not keep its input as well: within `recomputing`, a tensor that was named to
`recomputable` is dropped after the forward pass, and computed again when the backward pass asks for it. The price is
one more norm and activation. (The idea is Pleiss et al.'s, arXiv:1707.06990.)
"""
from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .compiling import own_gradients
from .hooked import is_hooked

_local = threading.local()  # of each thread: the scope that is open in it


def recomputing(function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """``function(*inputs)``, the forward pass of a block say, within which `recomputable` has an effect.

    A call within a call is a part of it. It is an ordinary call without gradients, and where somebody else decides what
    to keep: torch.compile, or a checkpoint around it (which is seen from PyTorch 2.8 on; with older ones take `with_cp`
    of the networks instead).
    """
    if not own_gradients() or _scope() is not None or _others_decide():
        return function(*inputs)
    with _open_scope():
        return function(*inputs)


def _scope() -> _Scope | None:
    return getattr(_local, 'scope', None)


def _others_decide() -> bool:
    """Whether hooks for saved tensors are set, which ours would take the place of; older releases cannot tell."""
    hooks_in_force = getattr(torch._C._autograd, '_top_saved_tensors_default_hooks', None)
    return hooks_in_force is not None and hooks_in_force(False) is not None


@contextmanager
def _open_scope() -> Iterator[None]:
    _local.scope = scope = _Scope()
    try:
        with torch.autograd.graph.saved_tensors_hooks(scope.keep, _Kept.get):
            yield
    finally:
        _local.scope = None
        scope.close()


def recomputable(out: Tensor, function: Callable[..., Tensor] | None, *inputs: Tensor) -> Tensor:
    """`out`, which the backward pass may compute as ``function(*inputs)``.

    Args:
        out: a tensor with memory of its own, with the value of ``function(*inputs)``.
        function: without side effects; None: `out` has to be kept.
        inputs: tensors that the backward pass keeps anyway, or that are recomputable themselves.
    """
    scope = _scope()
    if scope is not None and function is not None and _address(out):  # a tensor without elements has none
        scope.add(out, function, inputs)
    return out


def normed(norm: nn.Module, x: Tensor, activation: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """``activation(norm(x))``, recomputable from `x` where the norm is BatchNorm or GroupNorm."""
    out = norm(x) if activation is None else activation(norm(x))
    return out if _scope() is None else recomputable(out, _repetition(norm, activation), x)


def _repetition(norm: nn.Module, activation: Callable[[Tensor], Tensor] | None) -> Callable[[Tensor], Tensor] | None:
    """What computes ``activation(norm(x))`` a second time, without another update of the running statistics."""
    if isinstance(activation, nn.Module) and (type(activation) is not nn.ReLU or is_hooked(activation)):
        return None  # others may be random, or have parameters
    if is_hooked(norm):
        return None
    if type(norm) is nn.BatchNorm2d:
        of_batch = norm.training or norm.running_mean is None
        mean, variance = (None, None) if of_batch else (norm.running_mean, norm.running_var)
        again = partial(F.batch_norm, running_mean=mean, running_var=variance, training=of_batch, eps=norm.eps)
    elif type(norm) is nn.GroupNorm:
        again = partial(F.group_norm, num_groups=norm.num_groups, eps=norm.eps)
    else:
        return None
    # As they are now, and not what the module has by then.
    affine = {name: _Kept(p) for name, p in (('weight', norm.weight), ('bias', norm.bias)) if p is not None}

    def repetition(x: Tensor) -> Tensor:
        out = again(x, **{name: kept.get() for name, kept in affine.items()})
        return out if activation is None else activation(out)

    return repetition


class _Scope:
    """What was saved for the backward pass while a scope was open, and what of it can be computed again."""

    def __init__(self) -> None:
        self.kept: list[_Kept] = []
        self.recipes: dict[int, tuple[Tensor, int, _Recipe]] = {}  # by the address of the memory

    def keep(self, tensor: Tensor) -> _Kept:
        self.kept.append(_Kept(tensor))
        return self.kept[-1]

    def add(self, out: Tensor, function: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> None:
        recipe = _Recipe(function, [self.keep(x) for x in inputs], out)
        # `out` stays alive until the scope closes, so that no other tensor can get its address.
        self.recipes[_address(out)] = out, out._version, recipe

    def close(self) -> None:
        for kept in self.kept:
            out, version, recipe = self.recipes.get(_address(kept.tensor), (None, None, None))
            if out is not None and out._version == version:  # else it was changed in place since
                kept.replace(recipe)
        self.kept, self.recipes = [], {}


class _Kept:
    """A saved tensor, or how to compute it."""

    def __init__(self, tensor: Tensor) -> None:
        # Detached: with its history it would keep itself alive, as its history keeps what was saved.
        self.tensor: Tensor | None = tensor.detach()
        self.version = tensor._version
        self.recipe: _Recipe | None = None

    def replace(self, recipe: _Recipe) -> None:
        """Drops the tensor, which is what `recipe` makes, or a view of it."""
        self.geometry = self.tensor.shape, self.tensor.stride(), self.tensor.storage_offset()
        self.tensor, self.recipe = None, recipe
        recipe.users += 1

    def get(self) -> Tensor:
        if self.recipe is not None:
            return self.recipe.make().as_strided(*self.geometry)
        if self.tensor._version != self.version:  # PyTorch does not look where there are hooks
            raise RuntimeError('a tensor that the backward pass needs was modified by an inplace operation: its shape '
                               f'is {tuple(self.tensor.shape)}; use the operation that makes a new tensor')
        return self.tensor


class _Recipe:
    """How to compute a tensor; its value is held until all who saved the tensor have asked for it."""

    def __init__(self, function: Callable[..., Tensor], inputs: list[_Kept], out: Tensor) -> None:
        self.function, self.inputs = function, inputs
        self.dtype, self.shape, self.strides = out.dtype, out.shape, out.stride()
        self.users = self.asked = 0
        self.value: Tensor | None = None

    def make(self) -> Tensor:
        if self.value is None:
            with torch.no_grad():
                # Autocast, which is over by now, may have cast the inputs.
                value = self.function(*(kept.get().to(self.dtype) for kept in self.inputs))
                if value.stride() != self.strides:
                    value = torch.empty_strided(self.shape, self.strides, dtype=self.dtype, device=value.device).copy_(
                        value)
            self.value = value
        value = self.value
        self.asked += 1
        if self.asked >= self.users:
            self.asked, self.value = 0, None
        return value


def _address(x: Tensor) -> int:
    return x.untyped_storage().data_ptr()
