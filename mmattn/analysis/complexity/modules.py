"""The modules of a config's backbone and decode head behind which ``mmattn.AttentionOn`` can put attention."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mmattn.engine.kinds import kind_of
from mmattn.engine.launch import load_network_config
from mmattn.errors import UserError, explained, one_line
from mmattn.models.backbones.outputs import map_channels, output_shapes

from . import networks


@dataclass(frozen=True)
class Attachable:
    """A module whose output is a feature map.

    Attributes:
        name: Name as the argument `at` of ``mmattn.AttentionOn`` takes it.
        type: Name of the module's class.
        shapes: Shapes (N, C, H, W) of its output for one image; several if it is called with several sizes.
        part: The part of the model in which it is: 'backbone', or of segmentors 'decode_head'.
    """

    name: str
    type: str
    shapes: tuple[tuple[int, ...], ...]
    part: str = 'backbone'


def attachable(config: str | Path, shape: tuple[int, int] | None = None) -> list[Attachable]:
    """Lists the modules, in the order in which they are defined.

    Args:
        config: Path of a config of mmdet, mmpretrain or mmsegmentation. If its backbone, or its decode head, is
            ``mmattn.AttentionOn``, the names are those of the backbone or head inside.
        shape: Height and width of the image; None: as for counting.

    Raises:
        UserError: The config cannot be read or built, or its backbone does not run.
    """
    cfg = load_network_config(config)
    model: Any = networks.build(cfg.model, cfg)
    kind = kind_of(model)
    height, width = shape or networks.input_shape(cfg, kind)
    inner = networks.inner_backbone(cfg.model.backbone)
    backbone = networks.build(inner, cfg)
    try:
        found = _attachable(backbone, output_shapes(backbone, inner.get('in_channels', 3), (height, width)), 'backbone')
    except Exception as e:  # noqa: BLE001  a network may raise anything
        raise UserError(
            f'the backbone of {config} does not run on an image of {height} x {width}: {one_line(e)}'
        ) from e
    if kind == 'segmentor' and isinstance(cfg.model.decode_head, dict):
        with explained(f'the decode head of {config} does not run'), torch.no_grad():
            features = model.extract_feat(networks.image(model.backbone, (height, width)))
            head = networks.build(networks.inner_backbone(cfg.model.decode_head), cfg)
            shapes = output_shapes(head, feature_maps=[tuple(each.shape[1:]) for each in features])
        found += _attachable(head, shapes, 'decode_head')
    return found


def _attachable(network: nn.Module, shapes: dict, part: str) -> list[Attachable]:
    modules = dict(network.named_modules())
    return [
        Attachable(
            name,
            type(modules[name]).__name__,
            tuple(sorted((shape for shape in found if isinstance(shape, tuple)), reverse=True)),
            part,
        )
        for name, found in shapes.items()
        if name and map_channels(found)
    ]
