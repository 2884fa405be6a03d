"""Whether somebody listens to a module."""
from __future__ import annotations

from torch import nn
from torch.nn.modules import module as of_all_modules


def is_hooked(module: nn.Module) -> bool:
    """Whether calls of `module` have hooks, whose owner expects it to be called: once, and on the whole batch."""
    return bool(module._forward_pre_hooks or module._forward_hooks
                or module._backward_pre_hooks or module._backward_hooks
                or of_all_modules._global_forward_pre_hooks or of_all_modules._global_forward_hooks
                or of_all_modules._global_backward_pre_hooks or of_all_modules._global_backward_hooks)
