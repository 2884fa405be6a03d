"""Multi-scale spatial pyramid attention (MSPA).

Yu et al., MSPANet: Multi-scale Spatial Pyramid Attention Network (EAAI 133, 108261, 2024);
github.com/ndsclark/MSPANet. There the shared attention is called once for each scale; here once for
all.
"""
from __future__ import annotations

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from torch import Tensor, nn

from mmattn.registry import MODELS

from .branch_gate import BranchGate


@MODELS.register_module()
class MSPA(nn.Module):
    """Hierarchical 3x3 convolutions over splits of the channels, weighed against each other.

    y_1 = f_1(x_1);  y_i = f_i(y_{i-1} + x_i), with f = norm(conv3x3)
    a = softmax over i of SE([GAP(y_i), 2x2 adaptive pool of y_i])
    output = [a_1 y_1, ..., a_s y_s]

    Where it strides, the chain is cut (y_i = f_i(x_i)) and the i-th convolution has dilation i.
    For the spatial slot.

    Args:
        in_channels: of the input (N, in_channels, H, W).
        out_channels: the same; the output is (N, out_channels, H / stride, W / stride).
        stride: of the convolutions.
        dilation: of the convolutions.
        scales: s, number of splits.
        base_width: width of a split at 64 planes: the bottleneck is
            scales * groups * floor(planes * base_width / base_channels) wide.
        reduction: hidden channels of the attention are a split's channels over this.
        groups: of the convolutions (MSPANeXt).
        first_block: not used.
        norm_cfg: config of the norms.

    Raises:
        ValueError: the channels do not divide into splits and groups, or the attention has no
            hidden channel.

    Example:
        >>> MSPA(84, 84, stride=2)(torch.rand(1, 84, 28, 28)).shape
        torch.Size([1, 84, 14, 14])
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, dilation: int = 1,
                 scales: int = 3, base_width: int = 28, reduction: int = 16, groups: int = 1,
                 first_block: bool = False, norm_cfg: dict | None = None) -> None:
        super().__init__()
        if scales < 1 or in_channels != out_channels or in_channels % (scales * groups):
            raise ValueError(f'MSPA splits its channels in {scales} scales of {groups} groups and '
                             f'keeps their number: {in_channels} to {out_channels} does not fit '
                             '(use it in a bottleneck, or other scales)')
        width = in_channels // scales
        self.scales = scales
        self.chained = stride == 1
        rates = [dilation if self.chained else dilation * (i + 1) for i in range(scales)]
        self.convs = nn.ModuleList(
            nn.Conv2d(width, width, 3, stride, rate, rate, groups, bias=False) for rate in rates)
        self.bns = nn.ModuleList(
            build_norm_layer(norm_cfg or dict(type='BN'), width)[1] for _ in range(scales))
        self.attention = BranchGate(5 * width, width, reduction)

    @staticmethod
    def mid_channels(planes: int, base_channels: int, scales: int = 3, base_width: int = 28,
                     reduction: int = 16, groups: int = 1) -> int:
        return scales * groups * (planes * base_width // base_channels)

    @property
    def branch_names(self) -> list[str]:
        """What tells the branches apart, in the order of the output."""
        return [f'scale {i + 1}' for i in range(self.scales)]

    def forward(self, x: Tensor) -> Tensor:
        outs = []
        for split, conv, bn in zip(x.chunk(self.scales, 1), self.convs, self.bns):  # noqa: B905
            if self.chained and outs:
                split = split + outs[-1]
            # Not recomputable: channels last, BatchNorm of so few channels is slow, and its map is small.
            outs.append(bn(conv(split)))
        maps = torch.cat(outs, 1)
        return self.attention.weigh(maps, self._describe(maps))

    def _describe(self, maps: Tensor) -> Tensor:
        """The pooled values of each scale, (N, s, 5 w): one, then four, for each of w channels."""
        # With odd sizes the 2x2 cells overlap, so their mean is not the global one.
        whole = maps.mean((2, 3)).unflatten(1, (self.scales, -1))
        cells = F.adaptive_avg_pool2d(maps, 2).flatten(1).unflatten(1, (self.scales, -1))
        return torch.cat([whole, cells], 2)
