"""Whether torch.compile is at work."""
from __future__ import annotations

import torch

# Its public name from PyTorch 2.3 on, and the one that it has in 2.1.
is_compiling = getattr(torch.compiler, 'is_compiling', None) or torch._utils.is_compiling
