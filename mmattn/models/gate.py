"""Identity start: one learned scalar between what a network computes without an attention and with it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn


class Gated(nn.Module):
    """A module with one learned scalar `gate` that starts at zero, or without it.

    The gate gets a gradient from the first step, the parameters behind it from the second.

    Args:
        identity_init: Start as the identity. Without it the module has no gate and no key for one.
    """

    def __init__(self, identity_init: bool = False) -> None:
        super().__init__()
        self.gate: nn.Parameter | None
        self.register_parameter('gate', nn.Parameter(torch.zeros(1)) if identity_init else None)

    def gated(self, start: Tensor, out: Tensor) -> Tensor:
        """``start + gate * (out - start)``: `start` while the gate is zero, `out` where it is one or absent."""
        return out if self.gate is None else torch.lerp(start, out, self.gate.to(out.dtype))


def named_gates(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Name of each gated module in `model`, and its gate, of shape (1,)."""
    for name, module in model.named_modules():
        if isinstance(module, Gated) and module.gate is not None:
            yield name, module.gate
