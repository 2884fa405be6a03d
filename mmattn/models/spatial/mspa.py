"""Multi-scale spatial pyramid attention (MSPA).

Yu et al., MSPANet: Multi-scale Spatial Pyramid Attention Network (EAAI 133, 2024),
doi:10.1016/j.engappai.2024.108261; github.com/ndsclark/MSPANet. There the shared attention is called
once for each scale; here once for all.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from mmcv.cnn import build_norm_layer
from torch import Tensor, nn

from mmattn.registry import MODELS

from .branch_gate import BranchGate


@MODELS.register_module()
class MSPA(nn.Module):
    """Hierarchical 3x3 convolutions over splits of the channels, re-weighted by a softmax over them.

        y_1 = f_1(x_1);  y_i = f_i(y_{i-1} + x_i), with f = norm(conv3x3)
        a = softmax over i of SE([GAP(y_i), 2x2 adaptive pool of y_i])
        output = [a_1 y_1, ..., a_s y_s]

    Where it strides, the chain is cut (``y_i = f_i(x_i)``) and the i-th convolution has dilation i.
    For the spatial slot.

    Args:
        in_channels: Number of channels of the input (N, in_channels, H, W).
        out_channels: The same number; the output is (N, out_channels, H / stride, W / stride).
        stride: Stride of the convolutions.
        dilation: Dilation of the convolutions.
        scales: Number s of splits.
        base_width: Width of a split at 64 planes: the bottleneck is
            scales * groups * floor(planes * base_width / base_channels) wide.
        reduction: The attention has a split's channels over this as hidden channels.
        groups: Number of groups of the convolutions (MSPANeXt).
        first_block: Not used.
        norm_cfg: Config of the norms.

    Raises:
        ValueError: the channels do not divide into splits and groups, or the attention has no
            hidden channel.

    Examples:
        >>> MSPA(84, 84, stride=2)(torch.rand(1, 84, 28, 28)).shape
        torch.Size([1, 84, 14, 14])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        dilation: int = 1,
        scales: int = 3,
        base_width: int = 28,
        reduction: int = 16,
        groups: int = 1,
        first_block: bool = False,
        norm_cfg: dict | None = None,
    ) -> None:
        super().__init__()
        if scales < 1 or in_channels != out_channels or in_channels % (scales * groups):
            raise ValueError(
                f'MSPA splits its channels in {scales} scales of {groups} groups and '
                f'keeps their number: {in_channels} to {out_channels} does not fit '
                '(use it in a bottleneck, or other scales)'
            )
        width = in_channels // scales
        self.scales = scales
        self.chained = stride == 1
        rates = [dilation if self.chained else dilation * (i + 1) for i in range(scales)]
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, stride, rate, rate, groups, bias=False) for rate in rates)
        self.bns = nn.ModuleList(build_norm_layer(norm_cfg or dict(type='BN'), width)[1] for _ in range(scales))
        self.attention = BranchGate(5 * width, width, reduction)

    @staticmethod
    def mid_channels(
        planes: int, base_channels: int, scales: int = 3, base_width: int = 28, reduction: int = 16, groups: int = 1
    ) -> int:
        return scales * groups * (planes * base_width // base_channels)

    @property
    def branch_names(self) -> list[str]:
        """Number of each branch, in the order of the output."""
        return [f'scale {i + 1}' for i in range(self.scales)]

    def forward(self, x: Tensor) -> Tensor:
        splits = x.chunk(self.scales, 1)
        outs: list[Tensor] = []
        for i, (conv, bn) in enumerate(zip(self.convs, self.bns)):  # noqa: B905
            outs.append(bn(conv(splits[i] + outs[-1] if self.chained and i else splits[i])))
        branches = torch.cat(outs, 1)  # (N, s * w, H', W')
        return branches * self.attention(self._describe(branches)).to(branches.dtype)  # autocast: a softmax in float32

    def _describe(self, branches: Tensor) -> Tensor:
        """The pooled values of each scale, (N, s, 5 w): one, then four, for each of w channels."""
        n, _, height, width = branches.shape
        rows = branches[:, :, : (height + 1) // 2], branches[:, :, height // 2 :]
        cells = [cell.mean((2, 3)) for row in rows for cell in (row[..., : (width + 1) // 2], row[..., width // 2 :])]
        # with odd sizes the 2x2 cells overlap, so their mean is not the global one
        width = self.attention.channels
        whole = branches.mean((2, 3)).reshape(n, self.scales, width)
        return torch.cat([whole, torch.stack(cells, 2).reshape(n, self.scales, 4 * width)], 2)

    def conv_norm_pairs(self) -> Iterator[tuple[str, str]]:
        """Names of each convolution and of the norm that alone reads its output, see `mmattn.inference.fold`."""
        yield from ((f'convs.{i}', f'bns.{i}') for i in range(self.scales))
