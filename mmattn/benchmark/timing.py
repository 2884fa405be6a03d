"""Time of passes through models, taken in turns."""
from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from .treatment import Treatment

# Samples shorter than this are made of several passes: the clock and the loop cost some microseconds.
MIN_SAMPLE_SECONDS = 0.02


class Pass:
    """One pass through a model: inference, or forward and backward.

    The backward starts from a fixed random gradient of the outputs. A loss and an optimiser step are left out, being
    the same for all networks.

    Args:
        model: prepared by `treatment`, in the mode that goes with `training`.
        shapes: of the inputs.
        training: forward and backward instead of inference.
        treatment: how it runs.
        input_gradient: whether the inputs get gradients too, as those of a module within a network do.
    """

    def __init__(self, model: nn.Module, shapes: list[tuple[int, ...]], training: bool, treatment: Treatment,
                 input_gradient: bool = False) -> None:
        self.model, self.training, self.treatment = model, training, treatment
        self.inputs = treatment.inputs(shapes)
        self.leaves = self.inputs if isinstance(self.inputs, list) else [self.inputs]
        if training and input_gradient:
            for leaf in self.leaves:
                leaf.requires_grad_()
        self.gradients: list[Tensor] | None = None

    def __call__(self) -> None:
        if self.training:
            self._train()
        else:
            with torch.inference_mode(), self.treatment.autocast():
                self.model(self.inputs)
        self.treatment.synchronize()

    def _train(self) -> None:
        with self.treatment.autocast():
            outputs = _tensors(self.model(self.inputs))
        if self.gradients is None:
            generator = torch.Generator().manual_seed(1)
            self.gradients = [torch.randn(o.shape, generator=generator).to(o) for o in outputs]
        torch.autograd.backward(outputs, self.gradients)
        for tensor in (*self.model.parameters(), *self.leaves):
            tensor.grad = None


def alternate(passes: Mapping[str, Callable[[], None]], repeats: int, warmup: int,
              progress: Callable[[int, int], None] = lambda number, count: None) -> dict[str, list[float]]:
    """Times several passes in turns, so that whatever slows the machine down slows them all.

    Args:
        passes: by name.
        repeats: number of rounds; every other round goes backwards.
        warmup: passes before that do not count.
        progress: called before each round with its number and that of all.

    Returns:
        Seconds of a pass, of each round, by name: entry i of all is of the same round.
    """
    calls = {}
    for name, run in passes.items():
        for _ in range(warmup):
            run()
        calls[name] = max(1, math.ceil(MIN_SAMPLE_SECONDS / max(_seconds(run, 1), 1e-9)))
    seconds = {name: [] for name in passes}
    for i in range(repeats):
        progress(i + 1, repeats)
        for name in list(passes)[::-1 if i % 2 else 1]:
            seconds[name].append(_seconds(passes[name], calls[name]))
    return seconds


def spread(values: list[float]) -> dict[str, float]:
    """Median and quartiles."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return dict(median=float(median), low=float(low), high=float(high))


def latency(seconds: list[float]) -> dict[str, float]:
    """Milliseconds that half, and nine tenths, of the passes take at most."""
    p50, p90 = np.percentile(seconds, [50, 90])
    return dict(p50=1e3 * float(p50), p90=1e3 * float(p90))


def _seconds(run: Callable[[], None], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def _tensors(output: object) -> list[Tensor]:
    """The tensors of an output that have gradients."""
    if isinstance(output, Tensor):
        return [output] if output.requires_grad else []
    if isinstance(output, (tuple, list)):
        return [tensor for part in output for tensor in _tensors(part)]
    return []
