"""Builds what a config describes without weights, and runs the parts of it that are counted.

Everything is on PyTorch's 'meta' device: tensors with shapes and without contents, so that a detector at 800 x 1280
takes a moment and no memory, and no checkpoint is read.
"""
from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator

import mmattn  # noqa: F401  isort: skip  before mmdet and mmpretrain
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor, nn

from mmattn.engine.quiet import quiet
from mmattn.errors import UserError, kind_and_text

# As the dummy forward of mmdet 2, with which the papers' figures were measured.
BOX_ROIS, MASK_ROIS = 1000, 100
DETECTOR_SHAPE = (800, 1280)
SMALL_IMAGES = ('CIFAR10', 'CIFAR100')

Step = tuple[str, nn.Module, Callable]


def build(model: dict, cfg: Config) -> nn.Module:
    """Builds `model`, the model of `cfg` or a part of it, in eval mode and without weights.

    Raises:
        UserError: Where that fails.
    """
    with quiet(), DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmengine')):
        try:
            with torch.device('meta'):
                network = MODELS.build(model)
        except Exception:  # noqa: BLE001  a constructor may read values, which 'meta' tensors lack
            try:
                network = MODELS.build(model).to('meta')
            except Exception as e:  # noqa: BLE001
                raise UserError(f'the model of {cfg.filename} cannot be built: {kind_and_text(e)}') from e
        network.eval()  # whose result is None in some of mmdet's and mmpretrain's backbones
        return network


def is_detector(model: nn.Module) -> bool:
    return any(hasattr(model, name) for name in ('rpn_head', 'roi_head', 'bbox_head'))


def input_shape(cfg: Config, detector: bool) -> tuple[int, int]:
    """Height and width at which the network of a config is counted.

    Detectors: 800 x 1280. Classifiers: what the test pipeline makes of an image.

    Raises:
        UserError: The config does not say.
    """
    if detector:
        return DETECTOR_SHAPE
    dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    for transform in reversed(dataset.get('pipeline') or []):
        size = transform.get('crop_size') or transform.get('scale')
        if isinstance(size, int):
            return size, size
        if size:
            width, height = size
            return height, width
    if _unscoped(dataset) in SMALL_IMAGES:
        return 32, 32
    raise UserError(f'{cfg.filename} does not fix the size of its images: give --shape H W')


def run(model: nn.Module, shape: tuple[int, int]) -> Iterator[Step]:
    """The parts of a network, in the order in which they run.

    Yields:
        Name and module of the part, and a function without arguments that runs it. It has to be called before the
        next part is asked for, which takes its output.

    Raises:
        UserError: No rule is known for a network like this.
    """
    features = image(model.backbone, shape)

    def applied(module: nn.Module) -> Callable:
        def step() -> None:
            nonlocal features
            features = module(features)
        return step

    yield 'backbone', model.backbone, applied(model.backbone)
    if getattr(model, 'neck', None) is not None:
        yield 'neck', model.neck, applied(model.neck)
    if not is_detector(model):
        if getattr(model, 'head', None) is None:
            raise UserError(f'no counting rule for {type(model).__name__}: it is no detector and has no head')
        yield 'head', model.head, lambda: model.head(features)
        return
    for name in ('rpn_head', 'bbox_head'):
        head = getattr(model, name, None)
        if head is not None:
            yield name, head, _runner(head, features)
    if hasattr(model, 'roi_head'):
        yield from _roi_heads(model.roi_head)


def _roi_heads(roi_head: nn.Module) -> Iterator[Step]:
    if getattr(roi_head, 'shared_head', None) is not None:
        raise UserError(f'no counting rule for {type(roi_head).__name__} with a shared head')
    # a cascade has several heads, each with an extractor of its own
    for kind, rois in (('bbox', BOX_ROIS), ('mask', MASK_ROIS)):
        heads = _several(getattr(roi_head, f'{kind}_head', None))
        extractors = _several(getattr(roi_head, f'{kind}_roi_extractor', None)) or _several(roi_head.bbox_roi_extractor)
        for i, head in enumerate(heads):
            extractor = extractors[min(i, len(extractors) - 1)]
            size = extractor.roi_layers[0].output_size
            crops = torch.empty(rois, extractor.out_channels, *size, device='meta')
            yield f'roi_head.{kind}_head' + (f'.{i}' if len(heads) > 1 else ''), head, _runner(head, crops)


def _runner(module: nn.Module, *inputs) -> Callable:
    return lambda: module(*inputs)


def _several(module: nn.Module | None) -> list[nn.Module]:
    return list(module) if isinstance(module, nn.ModuleList) else [module] if module is not None else []


def image(backbone: nn.Module, shape: tuple[int, int]) -> Tensor:
    # MobileNetV2, for one, counts the channels of its layers in an attribute of this name
    takes_channels = 'in_channels' in inspect.signature(type(backbone)).parameters
    channels = getattr(backbone, 'in_channels', 3) if takes_channels else 3
    return torch.empty(1, channels if isinstance(channels, int) else 3, *shape, device='meta')


def inner_backbone(backbone: dict) -> dict:
    """The config of the backbone inside ``mmattn.AttentionOn``; that of any other as it is."""
    return backbone['backbone'] if backbone.get('type') == 'mmattn.AttentionOn' else backbone


def _unscoped(cfg: dict) -> str:
    return str(cfg.get('type', '')).rpartition('.')[2]
