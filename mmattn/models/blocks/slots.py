"""Builds what fills the slots of a residual block: its spatial convolution, its attention, its plugins.

The contracts, which a module of one's own has to keep too:

* spatial: ``cls(in_channels, out_channels, stride=1, dilation=1, first_block=False, norm_cfg=None, **options)``, a
  module that stands for the block's 3x3 convolution and maps (N, in_channels, H, W) to
  (N, out_channels, ceil(H / stride), ceil(W / stride)). ``first_block`` is true in the first block of a stage.
  Two class attributes are optional: ``mid_channels(planes, base_channels, **options) -> int``, a static method that
  gives the width of the bottleneck around it (without it: ``planes``), and ``norm_act``, true where the module ends in
  its own norm and activation, so that the block adds neither.
* attention: ``cls(in_channels, **options)``, a module that maps (N, C, H, W) to (N, C, H, W).
"""
from __future__ import annotations

from mmcv.cnn import build_conv_layer, build_plugin_layer
from torch import nn

from mmattn.registry import MODELS


def spatial_width(spatial: dict | None, planes: int, base_channels: int) -> int:
    """The inner width of a bottleneck whose 3x3 convolution is `spatial`.

    Args:
        spatial: config of the spatial module, None for a plain convolution.
        planes: the stage's base width, 64, 128, 256, 512 in a ResNet.
        base_channels: `planes` of the first stage.
    """
    if spatial is None:
        return planes
    options = {k: v for k, v in spatial.items() if k != 'type'}
    rule = getattr(_class_of(spatial), 'mid_channels', None)
    return planes if rule is None else rule(planes, base_channels, **options)


def build_spatial(spatial: dict | None, in_channels: int, out_channels: int, *, stride: int, dilation: int,
                  first_block: bool, conv_cfg: dict | None, norm_cfg: dict) -> nn.Module:
    """The module that stands for a block's 3x3 convolution; a plain one where `spatial` is None."""
    if spatial is None:
        return build_conv_layer(
            conv_cfg, in_channels, out_channels, 3, stride=stride, padding=dilation, dilation=dilation, bias=False)
    return MODELS.build(spatial, default_args=dict(
        in_channels=in_channels, out_channels=out_channels, stride=stride, dilation=dilation,
        first_block=first_block, norm_cfg=norm_cfg))


def build_attention(attn: dict | str | None, in_channels: int) -> nn.Module | None:
    """The attention module for maps of `in_channels` channels; a string names a type without options."""
    if attn is None:
        return None
    if isinstance(attn, str):
        attn = dict(type=attn)
    return MODELS.build(attn, default_args=dict(in_channels=in_channels))


def add_plugins(block: nn.Module, plugins: list[dict], in_channels: int) -> list[str]:
    """Adds plugin layers to `block` under the names that mmdet's ResNet gives them; returns these names.

    Args:
        block: the module that gets the layers as children.
        plugins: configs of plugin layers; a ``postfix`` tells apart two of one type in a block.
        in_channels: channels of the map that the layers work on.

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


def _class_of(cfg: dict) -> type:
    cls = cfg['type'] if isinstance(cfg['type'], type) else MODELS.get(cfg['type'])
    if cls is None:
        raise KeyError(f"{cfg['type']!r} is not registered: write the scope too, as in 'mmattn.PSA'")
    return cls
