"""Grouped 3x3 convolution (ResNeXt, Xie et al., arXiv:1611.05431)."""

from __future__ import annotations

from torch import nn

from mmattn.registry import MODELS


@MODELS.register_module(name='GroupedConv')
def grouped_conv(
    in_channels: int,
    out_channels: int,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    base_width: int | None = None,
    first_block: bool = False,
    norm_cfg: dict | None = None,
) -> nn.Conv2d:
    """Builds a bias-free 3x3 convolution in groups, for the spatial slot.

    (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride). It is an ``nn.Conv2d`` itself, so that tools
    which look for convolutions find one.

    Args:
        in_channels: Number of channels of the input.
        out_channels: Number of channels of the output.
        stride: Stride of the convolution.
        dilation: Dilation of the convolution.
        groups: Number of groups (ResNeXt's cardinality; 8 in SDA-ResNet).
        base_width: ResNeXt's width of a group at 64 planes: the bottleneck is then
            groups * floor(planes * base_width / base_channels) wide. None: `planes` wide.
        first_block: Not used.
        norm_cfg: Not used.

    Raises:
        ValueError: `groups` does not divide the channels.
    """
    return nn.Conv2d(
        in_channels, out_channels, 3, stride=stride, padding=dilation, dilation=dilation, groups=groups, bias=False
    )


def _mid_channels(planes: int, base_channels: int, groups: int = 1, base_width: int | None = None) -> int:
    return planes if base_width is None else groups * (planes * base_width // base_channels)


grouped_conv.mid_channels = _mid_channels
