"""Whether somebody listens to a module."""
from __future__ import annotations

from torch import nn


def is_hooked(module: nn.Module) -> bool:
    """Whether `module` has forward hooks, whose owner expects it to be called, on the whole batch, and once."""
    return bool(module._forward_hooks or module._forward_pre_hooks)
