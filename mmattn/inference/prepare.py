"""A copy of a model that is ready for inference."""

from __future__ import annotations

import copy

from torch import nn

from mmattn.models.backbones import AttnResNet

from .chunks import run_in_chunks
from .fold import fold_norms
from .memory_format import convert_images


def prepare(model: nn.Module, *, fold: bool = True, memory_format: bool = True, chunks: bool = True) -> nn.Module:
    """A copy of `model` in eval mode that computes the same in less time and memory; for inference only.

    Its outputs equal those of `model` up to rounding. Its weights must not change any more, and its state_dict has
    other keys: load and save those of the original. In foreign modules only the convolutions and norms that follow each
    other in an ``nn.Sequential`` are folded.

    Args:
        model: Network or module of this package, or whatever contains one (a classifier, a detector).
        fold: Fold BatchNorm into the convolution before it.
        memory_format: On a CPU, run backbones channels last where the batch is large enough to gain from it;
            their outputs are channels last then.
        chunks: On a CPU, take large batches through each stage in chunks whose feature maps fit a cache.

    Examples:
        >>> import torch
        >>> net, x = AttnResNet(depth=18).eval(), torch.rand(1, 3, 64, 64)
        >>> torch.allclose(prepare(net)(x)[-1], net(x)[-1], atol=1e-4)
        True
    """
    model = copy.deepcopy(model)
    model.eval()  # whose result is None in some of mmdet's backbones
    if fold:
        fold_norms(model)
    for network in [m for m in model.modules() if isinstance(m, AttnResNet)]:
        if memory_format:
            network.register_forward_pre_hook(convert_images)
        if chunks:
            for name, channels, stride in zip(network.stage_names, network.stage_channels, network.strides):
                run_in_chunks(getattr(network, name), channels, stride)
    return model
