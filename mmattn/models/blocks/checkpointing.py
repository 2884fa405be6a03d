"""Activation checkpointing of a block: its activations are computed again in the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

STATISTICS = ('running_mean', 'running_var', 'num_batches_tracked')


def checkpointed(block: nn.Module, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """``function(x)``, whose activations are not kept but computed again in the backward pass.

    BatchNorm's running statistics are updated by the first computation only.

    Args:
        block: The module that `function` is a part of.
        function: Deterministic, or random by torch's own generators.
        x: Its input.
    """
    return checkpoint(function, x, use_reentrant=False, context_fn=lambda: (nullcontext(), _statistics_kept(block)))


@contextmanager
def _statistics_kept(block: nn.Module) -> Iterator[None]:
    """Has BatchNorm in training mode update copies of its running statistics."""
    kept = [
        (norm, name, getattr(norm, name))
        for norm in block.modules()
        if isinstance(norm, _BatchNorm) and norm.training and norm.track_running_stats
        for name in STATISTICS
    ]
    try:
        for norm, name, statistic in kept:
            setattr(norm, name, statistic.clone())
        yield
    finally:
        for norm, name, statistic in kept:
            setattr(norm, name, statistic)
