"""The switch between reference formulas and faster ways to the same numbers.

Every faster way has a name. All are on, unless the environment variable ``MMATTN_FASTER`` says otherwise when this
module is imported: ``0`` switches all off, ``ema,grouped_conv`` all but these. `set_faster` changes that for the
process, `use_faster` for a block of code, and the argument `faster` of a function for one call.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized
from torch.overrides import has_torch_function

# Name of each faster way, and what it computes.
FASTER_WAYS = {
    'ema': 'position weights of EMA without the feature maps that they are of',
    'extrema': 'gradients of the maximum and minimum of each channel',
    'grouped_conv': 'convolutions with few output channels in a group',
}
# Its public name from PyTorch 2.3 on, and the one that it has in 2.1.
is_compiling = getattr(torch.compiler, 'is_compiling', None) or torch._utils.is_compiling


def faster_ways() -> tuple[str, ...]:
    """Names of the faster ways that are switched on."""
    return tuple(name for name in FASTER_WAYS if name in _switched_on)


def set_faster(ways: bool | Collection[str]) -> None:
    """Switches faster ways on and off, for the whole process.

    Args:
        ways: True for all, False for none, or the names of those that are to be on.

    Raises:
        ValueError: there is no faster way of a name.
    """
    global _switched_on
    _switched_on = _names(ways)


@contextmanager
def use_faster(ways: bool | Collection[str]) -> Iterator[None]:
    """Switches faster ways on and off within a block of code.

    Args:
        ways: True for all, False for none, or the names of those that are to be on.

    Raises:
        ValueError: there is no faster way of a name.

    Examples:
        >>> with use_faster(False):
        ...     faster_ways()
        ()
    """
    before = faster_ways()
    set_faster(ways)
    try:
        yield
    finally:
        set_faster(before)


def takes_faster(name: str, *tensors: Tensor, faster: bool | None = None) -> bool:
    """Whether the faster way `name` is taken for these tensors.

    Args:
        name: Name of the faster way.
        tensors: Inputs of the operation.
        faster: Overrides the switch, None: does not.
    """
    return (
        (name in _switched_on if faster is None else faster)
        and not _is_recorded(tensors)
        and not _autocast()
        and all(_is_for_cpu(t) for t in tensors)
    )


def faster_way(name: str, way: Callable[[nn.Module, Tensor], Tensor]) -> Callable:
    """Decorator of a module's method ``(self, x)`` that computes a formula: `way` computes the same faster on a CPU.

    The faster way reads parameters of the module's children without calling them, so it is taken only while these are
    plain layers of PyTorch without hooks and parametrisations.

    Args:
        name: Name of the faster way.
        way: Function of the module and its input.
    """

    def decorate(formula: Callable[[nn.Module, Tensor], Tensor]) -> Callable[[nn.Module, Tensor], Tensor]:
        @functools.wraps(formula)
        def method(self: nn.Module, x: Tensor) -> Tensor:
            if takes_faster(name, x) and all(_is_plain(child) for child in self.children()):
                return way(self, x)
            return formula(self, x)

        return method

    return decorate


def is_hooked(module: nn.Module) -> bool:
    """Whether calls of `module` have hooks, whose owner expects to see its input and output."""
    return bool(
        module._forward_pre_hooks or module._forward_hooks or module._backward_pre_hooks or module._backward_hooks
    )


def _names(ways: bool | Collection[str]) -> frozenset[str]:
    names = frozenset(FASTER_WAYS if ways is True else ways or ())
    unknown = sorted(names - set(FASTER_WAYS))
    if unknown:
        raise ValueError(f'there is no faster way {unknown[0]!r}, only {", ".join(FASTER_WAYS)}')
    return names


def _from_environment() -> frozenset[str]:
    value = os.environ.get('MMATTN_FASTER', '1').strip()
    return _names(value != '0' if value in ('', '0', '1') else [name.strip() for name in value.split(',')])


def _is_recorded(tensors: tuple[Tensor, ...]) -> bool:
    """Whether the operations are written down, to be run elsewhere, at other sizes, or with gradients of their own."""
    return is_compiling() or torch.jit.is_tracing() or has_torch_function(tensors)


def _autocast() -> bool:
    try:
        return torch.is_autocast_enabled('cpu')
    except TypeError:  # before PyTorch 2.4
        return torch.is_autocast_cpu_enabled()


def _is_for_cpu(x: Tensor) -> bool:
    return x.device.type == 'cpu' and x.dtype in (torch.float32, torch.float64)


def _is_plain(layer: nn.Module) -> bool:
    return type(layer).__module__.startswith('torch.nn.') and not is_parametrized(layer) and not is_hooked(layer)


_switched_on = _from_environment()
