"""Grouped 3x3 convolution (ResNeXt, Xie et al., arXiv:1611.05431)."""
from __future__ import annotations

from torch import nn

from mmattn.registry import MODELS


@MODELS.register_module()
class GroupedConv(nn.Conv2d):
    """A bias-free 3x3 convolution in groups, for the spatial slot.

    (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride). Its key is a plain convolution's,
    ``conv2.weight``.

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

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, dilation: int = 1,
                 groups: int = 1, base_width: int | None = None, first_block: bool = False,
                 norm_cfg: dict | None = None) -> None:
        super().__init__(in_channels, out_channels, 3, stride=stride, padding=dilation,
                         dilation=dilation, groups=groups, bias=False)

    @staticmethod
    def mid_channels(planes: int, base_channels: int, groups: int = 1,
                     base_width: int | None = None) -> int:
        return planes if base_width is None else groups * (planes * base_width // base_channels)
