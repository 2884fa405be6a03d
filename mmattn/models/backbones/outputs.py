"""Output shapes of the modules of a network, found without computing anything."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn


def output_shapes(
    network: nn.Module,
    image_channels: int = 3,
    image_size: tuple[int, int] = (224, 224),
    feature_maps: Sequence[tuple[int, int, int]] | None = None,
) -> dict[str, set[tuple[int, ...] | str]]:
    """The shapes of the output of each module that runs, by name.

    A copy of the network runs in eval mode on PyTorch's 'meta' device, where tensors have shapes and no contents, or
    on zeros on the CPU if it has an operation that 'meta' lacks. The network, BatchNorm's statistics and random
    numbers stay as they are.

    Args:
        network: Network that takes one batch of images or, with `feature_maps`, a list of these.
        image_channels: Number of channels of the image.
        image_size: Height and width of the image.
        feature_maps: (C, H, W) of each feature map that a neck or head takes.

    Returns:
        Name -> shapes, more than one if the module is called with inputs of several sizes; in place of a shape, the
        name of the type of an output that is no tensor.
    """
    with torch.random.fork_rng(devices=[]):
        for device in ('meta', 'cpu'):
            inputs = _inputs((image_channels, *image_size), feature_maps, device)
            try:
                return _run(copy.deepcopy(network).to(device), inputs)
            except (RuntimeError, NotImplementedError):
                if device == 'cpu':
                    raise
    raise AssertionError  # never reached


def _inputs(
    image: tuple[int, int, int], feature_maps: Sequence[tuple[int, int, int]] | None, device: str
) -> Tensor | list[Tensor]:
    if feature_maps is None:
        return torch.zeros(1, *image, device=device)
    return [torch.zeros(1, *shape, device=device) for shape in feature_maps]


def _run(network: nn.Module, inputs: Tensor | list[Tensor]) -> dict[str, set]:
    shapes: dict[str, set] = {}
    for name, module in network.named_modules():

        def record(_module, _args, output, name=name) -> None:
            shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            shapes.setdefault(name, set()).add(shape)

        module.register_forward_hook(record)
    network.eval()  # whose result is None in some of mmdet's and mmpretrain's backbones
    with torch.no_grad():
        network(inputs)
    order = [name for name, _ in network.named_modules() if name in shapes]
    return {name: shapes[name] for name in order}


def map_channels(shapes: set[tuple[int, ...] | str]) -> int | None:
    """C of a module that returns feature maps (N, C, H, W), the same C in every call; None for any other."""
    channels = {shape[1] if isinstance(shape, tuple) and len(shape) == 4 else None for shape in shapes}
    return channels.pop() if len(channels) == 1 else None
