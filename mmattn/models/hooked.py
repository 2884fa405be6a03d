"""Whether somebody listens to a module."""
from __future__ import annotations

from torch import nn
from torch.nn.modules.module import _has_any_global_hook


def is_hooked(module: nn.Module) -> bool:
    """Whether calls of `module` have hooks, whose owner expects it to be called: once, and on the whole batch."""
    return bool(module._forward_hooks or module._forward_pre_hooks or module._backward_hooks
                or module._backward_pre_hooks or _has_any_global_hook())
