"""Folding of eval-mode BatchNorm into the convolution before it, in training.

Fine-tuning a detector keeps BatchNorm in eval mode, where it is an affine map whose parameters learn. Applied to the
weights of the convolution instead of its output, it needs no feature map of its own (You et al., arXiv:2305.11624). The
fold itself is mmengine's; its setting ``efficient_conv_bn_eval`` finds the pairs by tracing, which stops where a norm
follows something that is no module, as in EPSANet, MSPANet and PyConvResNet. Here each module names its pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from mmengine.hooks import Hook
from mmengine.model.efficient_conv_bn_eval import efficient_conv_bn_eval_forward
from torch import Tensor, nn

from mmattn.inference.fold import foldable_pairs
from mmattn.registry import HOOKS
from mmattn.weights.loading import unwrapped


@HOOKS.register_module()
class FoldNormsHook(Hook):
    """Folds BatchNorms that are in eval mode into the convolutions before them, in training: less memory and time.

    Outputs and gradients stay the same, up to rounding, and so do the keys of checkpoints. Norms in training mode
    are left as they are, as long as they are in it.

    Args:
        modules: Names of the model's parts whose norms are folded.

    Raises:
        AttributeError: the model has no part of a name.

    Examples:
        >>> custom_hooks = [dict(type='mmattn.FoldNormsHook')]
    """

    def __init__(self, modules: Sequence[str] = ('backbone',)) -> None:
        self.modules = modules

    def before_train(self, runner) -> None:
        model = unwrapped(runner.model)
        pairs = sum(fold_norms_in_training(model.get_submodule(name)) for name in self.modules)
        runner.logger.info(f'FoldNormsHook: {pairs} norms are folded while they are in eval mode')

    def after_train(self, runner) -> None:
        model = unwrapped(runner.model)
        for name in self.modules:
            unfold_norms_in_training(model.get_submodule(name))


def fold_norms_in_training(model: nn.Module) -> int:
    """Has a model fold BatchNorms into the convolutions before them whenever they are in eval mode.

    Args:
        model: Network or module, or whatever contains some; changed in place. It can still be copied, pickled and
            put into either mode. A convolution applies its norm, which passes its input on, so that neither may be
            wrapped by itself (by FSDP, say).

    Returns:
        The number of norms that can be folded.
    """
    pairs: list[tuple[Any, Any]] = list(foldable_pairs(model))
    for conv, norm in pairs:
        conv.forward = partial(_conv_then_norm, conv, norm)
        norm.forward = _passed
    return len(pairs)


def unfold_norms_in_training(model: nn.Module) -> None:
    """Undoes `fold_norms_in_training`: convolutions and norms compute by themselves again, as `prepare` needs them.

    Args:
        model: Network or module, or whatever contains some; changed in place.
    """
    for module in model.modules():
        forward = vars(module).get('forward')
        if forward is _passed or isinstance(forward, partial) and forward.func is _conv_then_norm:
            del module.forward


def _conv_then_norm(conv: nn.Conv2d, norm: nn.Module, x: Tensor) -> Tensor:
    if norm.training:
        return type(norm).forward(norm, type(conv).forward(conv, x))
    return efficient_conv_bn_eval_forward(norm, conv, x)


def _passed(x: Tensor) -> Tensor:
    """The forward pass of a norm that the convolution before it has applied."""
    return x
