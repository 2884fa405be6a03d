"""Builds what a config describes without weights, on PyTorch's 'meta' device: tensors with shapes and no contents.

A detector at 800 x 1280 takes a moment and no memory there, and no checkpoint is read.
"""

from __future__ import annotations

import inspect
from copy import deepcopy

import mmattn  # noqa: F401  isort: skip  before mmdet and mmpretrain
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor, nn

from mmattn.engine.kinds import Kind
from mmattn.engine.quiet import quiet
from mmattn.engine.scope import scope_of
from mmattn.engine.types import type_name
from mmattn.errors import UserError, kind_and_text

DETECTOR_SHAPE = (800, 1280)
SMALL_IMAGES = ('CIFAR10', 'CIFAR100')


def build(model: dict, cfg: Config, device: str = 'meta') -> nn.Module:
    """Builds `model`, the model of `cfg` or a part of it, in eval mode; on 'meta' without weights, else random ones.

    Raises:
        UserError: Where that fails.
    """
    with quiet(), DefaultScope.overwrite_default_scope(scope_of(cfg)):
        try:
            with torch.device(device):
                network = MODELS.build(deepcopy(model))  # some constructors change their arguments
        except Exception:  # noqa: BLE001  a constructor may read values, which 'meta' tensors lack
            try:
                network = MODELS.build(deepcopy(model)).to(device)
            except Exception as e:  # noqa: BLE001
                raise UserError(f'the model of {cfg.filename} cannot be built: {kind_and_text(e)}') from e
        network.eval()  # whose result is None in some of mmdet's and mmpretrain's backbones
        return network


def input_shape(cfg: Config, kind: Kind) -> tuple[int, int]:
    """Height and width at which the network of a config is counted.

    Detectors: 800 x 1280. Segmentors: the crop that they are trained on. Classifiers, and segmentors without a crop:
    what the test pipeline makes of an image.

    Raises:
        UserError: The config does not say.
    """
    if kind == 'detector':
        return DETECTOR_SHAPE
    crop = (cfg.get('model') or {}).get('data_preprocessor') or {}
    if kind == 'segmentor' and _is_size(crop.get('size')):
        height, width = crop['size']
        return height, width
    dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    for transform in reversed(dataset.get('pipeline') or []):
        size = transform.get('crop_size') or transform.get('scale')
        if isinstance(size, int):
            return size, size
        if _is_size(size):
            width, height = size
            return height, width
    if type_name(dataset) in SMALL_IMAGES:
        return 32, 32
    raise UserError(f'{cfg.filename} does not fix the size of its images: give --shape H W')


def _is_size(value: object) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(side, int) for side in value)


def image(backbone: nn.Module, shape: tuple[int, int], device: str = 'meta') -> Tensor:
    """One image for a backbone, with as many channels as it takes, (1, C, *shape)."""
    # MobileNetV2, for one, counts the channels of its layers in an attribute of this name
    takes_channels = 'in_channels' in inspect.signature(type(backbone)).parameters
    channels = getattr(backbone, 'in_channels', 3) if takes_channels else 3
    return torch.rand(1, channels if isinstance(channels, int) else 3, *shape, device=device)


def inner_backbone(backbone: dict) -> dict:
    """The config of the backbone inside ``mmattn.AttentionOn``; that of any other as it is."""
    return backbone['backbone'] if type_name(backbone) == 'AttentionOn' else backbone
