"""Whether somebody listens to a module."""
from __future__ import annotations

from torch import nn
from torch.nn.modules import module as of_all_modules

HOOKS = ('forward_pre_hooks', 'forward_hooks', 'backward_pre_hooks', 'backward_hooks')


def is_hooked(module: nn.Module) -> bool:
    """Whether calls of `module` have hooks, whose owner expects it to be called: once, and on the whole batch."""
    return any(getattr(module, f'_{hooks}') or getattr(of_all_modules, f'_global_{hooks}') for hooks in HOOKS)
