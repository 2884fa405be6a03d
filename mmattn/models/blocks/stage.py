"""A stage: residual blocks in a chain, with or without attention over their depth."""
from __future__ import annotations

from collections.abc import Iterator

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from ..compiling import is_recording
from .residual import ResidualBlock


class Stage(BaseModule):
    """Chains blocks; with depth attention, the stage's output is drawn from all their presums.

    Keys are those of an ``nn.Sequential`` of the blocks (0, 1, ...), and depth_attn beside them.

    Args:
        blocks: the residual blocks in order.
        depth_attn: maps the list of the blocks' presums, each (N, C, H, W), and that of their summaries to one such
            map (SDA-xNet, where the next stage reads the ReLU of it instead of the last block's output).
    """

    def __init__(self, blocks: list[ResidualBlock], depth_attn: nn.Module | None = None) -> None:
        super().__init__()
        self.depth = len(blocks)
        for i, block in enumerate(blocks):
            self.add_module(str(i), block)
        self.depth_attn = depth_attn

    def __len__(self) -> int:
        return self.depth

    def __getitem__(self, i: int) -> ResidualBlock:
        return self._modules[str(range(self.depth)[i])]

    def __iter__(self) -> Iterator[ResidualBlock]:
        return (self[i] for i in range(self.depth))

    def forward(self, x: Tensor) -> Tensor:
        # Older releases of torch.compile cannot iterate over a module.
        blocks = [getattr(self, str(i)) for i in range(self.depth)]
        if self.depth_attn is None:
            for block in blocks:
                x = block(x)
            return x
        presums = [blocks[0].presum(x)]
        summaries = [self.depth_attn.summarize(presums[0])]
        for block in blocks[1:]:
            presums.append(block.following_presum(presums[-1]))
            summaries.append(self.depth_attn.summarize(presums[-1]))
        out = self.depth_attn(presums, summaries)
        return blocks[0].activate(out, inplace=not (torch.is_grad_enabled() or is_recording()))
