"""Batches of one image, of which BatchNorm over pooled values can take no statistics."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from mmengine.dataset import InfiniteSampler
from mmengine.dist import is_distributed
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader

from mmattn.engine.runner import ONE_VALUE, one_value_error, processes
from mmattn.weights.loading import unwrapped

from .samples import batch_of
from .unchanged import unchanged


def check_lone_images(model: nn.Module, loader: DataLoader) -> None:
    """Raises UserError if a batch of one image will come, and the model cannot train on it.

    Such a batch goes through a copy of the model, without gradients.

    Args:
        model: Model of the run.
        loader: Loader of the training, of this process.
    """
    model = unwrapped(model)
    if not has_lone_image(loader) or not any(isinstance(module, _BatchNorm) for module in model.modules()):
        return
    with unchanged(), torch.no_grad():
        try:
            trial: Any = copy.deepcopy(model)
            trial.train()
            trial(**trial.data_preprocessor(batch_of(loader, 1), True), mode='loss')
        except Exception as raised:  # noqa: BLE001  others are of the first iteration, which will raise them itself
            error = raised
        else:
            return
    if ONE_VALUE in str(error):
        raise one_value_error(error)


def has_lone_image(loader: DataLoader) -> bool:
    """Whether a loader gives this process a batch of one image: each, or the last one of an epoch."""
    size = loader.batch_size or getattr(loader.batch_sampler, 'batch_size', None)
    if size is None or size == 1:
        return size == 1
    sampler: Any = getattr(loader.batch_sampler, 'sampler', loader.sampler)
    drops = getattr(loader.batch_sampler, 'drop_last', loader.drop_last)
    if drops or isinstance(sampler, InfiniteSampler) or not hasattr(sampler, '__len__'):
        return False
    # In a check before a launch script starts its processes, the sampler does not know of them yet.
    share = 1 if is_distributed() else processes()
    return math.ceil(len(sampler) / share) % size == 1
