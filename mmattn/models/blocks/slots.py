"""Builds what fills the slots of a residual block: its spatial convolution, its attention, its plugins.

The contracts, which a module of one's own has to keep too:

* spatial: ``cls(in_channels, out_channels, stride=1, dilation=1, first_block=False, norm_cfg=None, **options)``, a
  module that replaces the block's 3x3 convolution and maps (N, in_channels, H, W) to
  (N, out_channels, ceil(H / stride), ceil(W / stride)). ``first_block`` is true in the first block of a stage.
  Two class attributes are optional: ``mid_channels(planes, base_channels, **options) -> int``, a static method that
  gives the width of the bottleneck around it (without it: ``planes``), and ``norm_act``, true where the module ends in
  its own norm and activation, so that the block adds neither.
* attention: ``cls(in_channels, **options)``, a module that maps (N, C, H, W) to (N, C, H, W).

Each is a config, or only its type as a string. Three methods are optional, in modules of either slot:
``conv_norm_pairs() -> Iterator[tuple[str, str]]``, names of a convolution and of the norm that alone reads its output,
which may then be folded; ``output_convs() -> list[nn.Conv2d]``, the convolutions whose outputs, side by side, are the
module's output; ``branch_names``, a property with a name for each branch, which `tools/visualize.py` shows.
"""

from __future__ import annotations

import inspect

from mmcv.cnn import build_conv_layer, build_plugin_layer
from torch import nn

from mmattn.registry import MODELS


def spatial_width(spatial: dict | str | None, planes: int, base_channels: int) -> int:
    """The inner width of a bottleneck whose 3x3 convolution is `spatial`.

    Args:
        spatial: Config or type of the spatial module, None for a plain convolution.
        planes: Base width of the stage, 64, 128, 256, 512 in a ResNet.
        base_channels: Base width of the first stage.
    """
    if spatial is None:
        return planes
    options = _config(spatial)
    rule = getattr(_class_of(options.pop('type')), 'mid_channels', None)
    return planes if rule is None else rule(planes, base_channels, **options)


def build_spatial(
    spatial: dict | str | None,
    in_channels: int,
    out_channels: int,
    *,
    stride: int,
    dilation: int,
    first_block: bool,
    conv_cfg: dict | None,
    norm_cfg: dict,
) -> nn.Module:
    """The module in the place of a block's 3x3 convolution; a plain one where `spatial` is None."""
    if spatial is None:
        return build_conv_layer(
            conv_cfg, in_channels, out_channels, 3, stride=stride, padding=dilation, dilation=dilation, bias=False
        )
    return fill_slot(
        'spatial',
        spatial,
        in_channels=in_channels,
        out_channels=out_channels,
        stride=stride,
        dilation=dilation,
        first_block=first_block,
        norm_cfg=norm_cfg,
    )


def build_attention(attn: dict | str | None, in_channels: int) -> nn.Module | None:
    """The attention module for feature maps of `in_channels` channels."""
    return None if attn is None else fill_slot('attn', attn, in_channels=in_channels)


def fill_slot(slot: str, module: dict | str, **given) -> nn.Module:
    """Builds the module that goes into a slot.

    Args:
        slot: Name of the trunk's argument that configures the module.
        module: Config of the module, or only its type as a string.
        given: Arguments that the slot gives to every constructor.

    Raises:
        ValueError: the constructor does not take what the slot gives, or needs more.
    """
    cfg = _config(module)
    parameters = inspect.signature(_class_of(cfg['type'])).parameters.values()
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        unknown = given.keys() - {p.name for p in parameters}
        if unknown:
            raise ValueError(
                f'{cfg["type"]} does not go into the slot {slot}: its constructor does not take '
                + ', '.join(sorted(unknown))
            )
    missing = [
        p.name
        for p in parameters
        if p.default is p.empty
        and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        and p.name not in given
        and p.name not in cfg
    ]
    if missing:
        raise ValueError(
            f'{cfg["type"]} does not go into the slot {slot} as it is: its constructor also needs ' + ', '.join(missing)
        )
    return MODELS.build(cfg, default_args=given)


def add_plugins(block: nn.Module, plugins: list[dict], in_channels: int) -> list[str]:
    """Adds plugin layers to `block` under the names that mmdet's ResNet gives them; returns these names.

    Args:
        block: Module that gets the layers as children.
        plugins: Configs of plugin layers; a ``postfix`` tells apart two of one type in a block.
        in_channels: Number of channels of the feature map that the layers work on.

    Raises:
        ValueError: where the block has a child of the name already.
    """
    names = []
    for cfg in plugins:
        cfg = dict(cfg)
        name, layer = build_plugin_layer(cfg, in_channels=in_channels, postfix=cfg.pop('postfix', ''))
        if hasattr(block, name):
            raise ValueError(f"two plugins of a block are named {name!r}: give one a 'postfix'")
        block.add_module(name, layer)
        names.append(name)
    return names


def _config(module: dict | str) -> dict:
    return dict(type=module) if isinstance(module, str) else dict(module)


def _class_of(name: str | type) -> type:
    if isinstance(name, type):
        return name
    with MODELS.switch_scope_and_registry(None) as registry:  # where MODELS.build looks too
        cls = registry.get(name)
    if cls is None:
        raise KeyError(f"{name!r} is not registered: check the spelling, and write the scope too, as in 'mmattn.PSA'")
    return cls
