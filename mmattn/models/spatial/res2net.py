"""Res2Net's hierarchical split convolution.

Gao et al., Res2Net: A New Multi-scale Backbone Architecture, arXiv:1904.01169;
github.com/Res2Net/Res2Net-PretrainedModels (v1, the one in SDA-Res2Net).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from mmcv.cnn import build_norm_layer
from torch import Tensor, nn

from mmattn.registry import MODELS


@MODELS.register_module()
class Res2NetConv(nn.Module):
    """3x3 convolutions in a chain: each reads its own split plus the output of the one before.

        y_1 = f_1(x_1);  y_i = f_i(y_{i-1} + x_i);  y_s = x_s, with f = ReLU(norm(conv3x3))

    In a stage's first block, and where it strides, the chain is cut (``y_i = f_i(x_i)``) and the last
    split is pooled, 3x3, even at stride 1. For the spatial slot; ends in its own norm and ReLU.

    Args:
        in_channels: Number of channels of the input (N, in_channels, H, W).
        out_channels: The same number; the output is (N, out_channels, H / stride, W / stride).
        stride: Stride of the convolutions and the pooling.
        dilation: Dilation of the convolutions.
        scales: Number s of splits.
        base_width: Width of a split at 64 planes: the bottleneck is
            scales * floor(planes * base_width / base_channels) wide.
        first_block: Whether the block is its stage's first.
        norm_cfg: Config of the norms.

    Raises:
        ValueError: fewer than two scales, or the channels do not divide into splits.

    Examples:
        >>> Res2NetConv(104, 104, first_block=True)(torch.rand(1, 104, 28, 28)).shape
        torch.Size([1, 104, 28, 28])
    """

    norm_act = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        dilation: int = 1,
        scales: int = 4,
        base_width: int = 26,
        first_block: bool = False,
        norm_cfg: dict | None = None,
    ) -> None:
        super().__init__()
        if scales < 2:
            raise ValueError(f'scales is {scales}: Res2NetConv needs at least two')
        if in_channels != out_channels or in_channels % scales:
            raise ValueError(
                f'Res2NetConv splits its channels in {scales} and keeps their number: '
                f'{in_channels} to {out_channels} does not fit '
                '(use it in a bottleneck)'
            )
        width = in_channels // scales
        self.scales = scales
        self.chained = not first_block and stride == 1
        self.convs = nn.ModuleList(
            nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False) for _ in range(scales - 1)
        )
        self.bns = nn.ModuleList(build_norm_layer(norm_cfg or dict(type='BN'), width)[1] for _ in range(scales - 1))
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.Identity() if self.chained else nn.AvgPool2d(3, stride, 1)

    @staticmethod
    def mid_channels(planes: int, base_channels: int, scales: int = 4, base_width: int = 26) -> int:
        return scales * (planes * base_width // base_channels)

    def forward(self, x: Tensor) -> Tensor:
        splits = x.chunk(self.scales, 1)
        outs: list[Tensor] = []
        for i, (conv, bn) in enumerate(zip(self.convs, self.bns)):  # noqa: B905
            outs.append(self.relu(bn(conv(splits[i] + outs[-1] if self.chained and i else splits[i]))))
        return torch.cat([*outs, self.pool(splits[self.scales - 1])], 1)

    def conv_norm_pairs(self) -> Iterator[tuple[str, str]]:
        """Names of each convolution and of the norm that alone reads its output, see `mmattn.inference.fold`."""
        yield from ((f'convs.{i}', f'bns.{i}') for i in range(self.scales - 1))
