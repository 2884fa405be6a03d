"""A faster forward and backward pass in the place of a reference formula, differentiable like the reference."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor


def faster_function(
    reference: Callable[..., Tensor], forward: Callable[..., Tensor], backward: Callable[..., tuple[Tensor | None, ...]]
) -> Callable[..., Tensor]:
    """A function ``(options, *tensors) -> tensor`` that computes `reference` by `forward` and `backward`.

    Gradients of gradients, forward-mode derivatives and ``torch.vmap`` are those of the reference.

    Args:
        reference: ``(options, *tensors) -> tensor`` in differentiable operations of PyTorch.
        forward: Computes the same; need not be differentiable.
        backward: ``(options, inputs, output, gradient, needed) -> gradients`` of the inputs, without gradients of its
            own. `needed` says for each input whether its gradient is asked for; for the others it may return None.
    """

    class Faster(torch.autograd.Function):
        @staticmethod
        def forward(options: Any, *inputs: Tensor) -> Tensor:
            return forward(options, *inputs)

        @staticmethod
        def setup_context(ctx, inputs: tuple, output: Tensor) -> None:
            ctx.options, *tensors = inputs
            ctx.save_for_backward(*tensors, output)
            ctx.save_for_forward(*tensors, output)

        @staticmethod
        def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
            *inputs, output = ctx.saved_tensors
            if torch.is_grad_enabled():  # by create_graph=True, or in a transform of torch.func
                pull_back = torch.func.vjp(partial(reference, ctx.options), *inputs)[1]
                return None, *pull_back(gradient)
            return None, *backward(ctx.options, inputs, output, gradient, ctx.needs_input_grad[1:])

        @staticmethod
        def jvp(ctx, _, *tangents: Tensor | None) -> Tensor:
            *inputs, output = ctx.saved_tensors
            pull_back = torch.func.vjp(partial(reference, ctx.options), *inputs)[1]
            # What pulls back is linear in the gradient: its own pull-back is the forward-mode derivative.
            push_forward = torch.func.vjp(pull_back, torch.zeros_like(output))[1]
            tangents = tuple(torch.zeros_like(x) if t is None else t for x, t in zip(inputs, tangents))
            return push_forward(tangents)[0]

        @staticmethod
        def vmap(info, in_dims: tuple, options: Any, *inputs: Tensor) -> tuple[Tensor, int]:
            return torch.vmap(partial(reference, options), in_dims[1:], randomness=info.randomness)(*inputs), 0

    Faster.__name__ = Faster.__qualname__ = f'Faster_{reference.__name__}'
    return Faster.apply
