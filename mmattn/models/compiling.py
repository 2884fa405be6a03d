"""Who else has a say in what is computed."""
from __future__ import annotations

import torch

# Its public name from PyTorch 2.3 on, and the one that it has in 2.1.
is_compiling = getattr(torch.compiler, 'is_compiling', None) or torch._utils.is_compiling


def is_recording() -> bool:
    """Whether the operations are written down to be run later, maybe on batches of other sizes."""
    return is_compiling() or torch.jit.is_tracing()


def own_gradients() -> bool:
    """Whether functions with a backward pass of our own are of use.

    They are not in inference, torch.compile makes its own backward pass, and a trace cannot be saved with them.
    """
    return torch.is_grad_enabled() and not is_recording()
