"""One pass through a model."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .treatment import Treatment


class Pass:
    """One pass through a model: inference, or forward and backward in the modes for training.

    The backward starts from a fixed random gradient of the outputs. A loss and an optimiser step are left out, being
    the same for all networks.

    Args:
        model: Model to which `treatment` was applied for `mode`.
        shapes: Shapes of the inputs.
        mode: One of MODES.
        treatment: How the model runs.
        input_gradient: Whether the inputs get gradients too, as those of a module within a network do.
    """

    def __init__(
        self,
        model: nn.Module,
        shapes: list[tuple[int, ...]],
        mode: str,
        treatment: Treatment,
        input_gradient: bool = False,
    ) -> None:
        self.model, self.training, self.treatment = model, mode != 'infer', treatment
        self.inputs = treatment.inputs(shapes)
        self.leaves = self.inputs if isinstance(self.inputs, list) else [self.inputs]
        if self.training and input_gradient:
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
            outputs = [o for o in tensors_of(self.model(self.inputs)) if o.requires_grad]
        if self.gradients is None:
            generator = torch.Generator().manual_seed(1)
            self.gradients = [torch.randn(o.shape, generator=generator).to(o) for o in outputs]
        torch.autograd.backward(outputs, self.gradients)
        for tensor in (*self.model.parameters(), *self.leaves):
            tensor.grad = None


def tensors_of(output: object) -> list[Tensor]:
    """The tensors in an output, which may be one, or hold some in tuples, lists and mappings."""
    if isinstance(output, Tensor):
        return [output]
    if isinstance(output, Mapping):
        output = list(output.values())
    if isinstance(output, (tuple, list)):
        return [tensor for part in output for tensor in tensors_of(part)]
    return []
