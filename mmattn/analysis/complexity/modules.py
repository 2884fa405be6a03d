"""The modules of a config's backbone behind which ``mmattn.AttentionOn`` can put attention."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmattn.engine.launch import load_network_config
from mmattn.errors import UserError, one_line
from mmattn.models.backbones.outputs import map_channels, output_shapes

from . import networks


@dataclass(frozen=True)
class Attachable:
    """A module whose output is a feature map.

    Attributes:
        name: Name as the argument `at` of ``mmattn.AttentionOn`` takes it.
        type: Name of the module's class.
        shapes: Shapes (N, C, H, W) of its output for one image; several if it is called with several sizes.
    """

    name: str
    type: str
    shapes: tuple[tuple[int, ...], ...]


def attachable(config: str | Path, shape: tuple[int, int] | None = None) -> list[Attachable]:
    """Lists the modules, in the order in which they are defined.

    Args:
        config: Path of a config of mmdet or mmpretrain. If its backbone is ``mmattn.AttentionOn``, the names are
            those of the backbone inside.
        shape: Height and width of the image; None: as for counting.

    Raises:
        UserError: The config cannot be read or built, or its backbone does not run.
    """
    cfg = load_network_config(config)
    detector = networks.is_detector(networks.build(cfg.model, cfg))
    height, width = shape or networks.input_shape(cfg, detector)
    inner = networks.inner_backbone(cfg.model.backbone)
    backbone = networks.build(inner, cfg)
    try:
        shapes = output_shapes(backbone, inner.get('in_channels', 3), (height, width))
    except Exception as e:  # noqa: BLE001  a network may raise anything
        raise UserError(
            f'the backbone of {config} does not run on an image of {height} x {width}: {one_line(e)}'
        ) from e
    modules = dict(backbone.named_modules())
    return [
        Attachable(
            name,
            type(modules[name]).__name__,
            tuple(sorted((shape for shape in found if isinstance(shape, tuple)), reverse=True)),
        )
        for name, found in shapes.items()
        if name and map_channels(found)
    ]
