"""A stage: residual blocks in a chain, with or without attention over their depth."""

from __future__ import annotations

from collections.abc import Iterator

from mmengine.model import BaseModule
from torch import Tensor, nn

from .residual import ResidualBlock


class Stage(BaseModule):
    """Chains blocks; with depth attention, the stage's output is computed from all their residual sums.

    Keys are those of an ``nn.Sequential`` of the blocks (0, 1, ...), and depth_attn beside them.

    Args:
        blocks: The residual blocks in order; with depth attention they return the residual sum, without ReLU.
        depth_attn: Module that maps the list of the blocks' residual sums, each (N, C, H, W), to one feature map
            (SDA-xNet, where the next stage reads its ReLU instead of the last block's output).
        relu: Whether a ReLU follows each residual sum; pre-activation networks have none there.
    """

    def __init__(self, blocks: list[ResidualBlock], depth_attn: nn.Module | None = None, relu: bool = True) -> None:
        super().__init__()
        self.depth = len(blocks)
        for i, block in enumerate(blocks):
            self.add_module(str(i), block)
        self.depth_attn = depth_attn
        self.activation = nn.ReLU() if relu else nn.Identity()

    def __len__(self) -> int:
        return self.depth

    def __getitem__(self, i: int) -> ResidualBlock:
        return getattr(self, str(range(self.depth)[i]))

    def __iter__(self) -> Iterator[ResidualBlock]:
        return (self[i] for i in range(self.depth))

    def forward(self, x: Tensor) -> Tensor:
        sums: list[Tensor] = []
        for i in range(self.depth):
            # torch.compile of older releases cannot iterate over a module
            block = getattr(self, str(i))
            if self.depth_attn is None:
                x = block(x)
            else:
                sums.append(block(self.activation(sums[-1]) if sums else x))
        return x if self.depth_attn is None else self.activation(self.depth_attn(sums))
