"""Triplet Attention, Misra et al., 'Rotate to Attend', arXiv:2010.03045.

Authors' repository: landskape-ai/triplet-attention.
Differs in form only: pools along each axis where the authors' code rotates the whole feature map.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mmattn.registry import MODELS

from .base import Attention, check_odd


class PlaneAttention(nn.Module):
    """Weights for a plane of the (C, H, W) box, from maximum and mean along the axis across it.

    (N, C, H, W) -> the same with 1 for the pooled axis.

    Args:
        axis: The axis of (N, C, H, W) to pool: 1, 2 or 3.
        kernel_size: Odd kernel size of the convolution in the plane.
        transpose: Whether the convolution sees the plane's axes in reverse order.
    """

    def __init__(self, axis: int, kernel_size: int, transpose: bool = False):
        super().__init__()
        self.axis = axis
        self.transpose = transpose
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)
        self.norm = nn.BatchNorm2d(1, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        plane = torch.stack((x.amax(self.axis), x.mean(self.axis)), 1)  # (N, 2, rows, columns)
        if self.transpose:
            plane = plane.transpose(2, 3)
        weight = self.norm(self.conv(plane)).sigmoid()
        if self.transpose:
            weight = weight.transpose(2, 3)
        return weight[:, 0].unsqueeze(self.axis)  # (N, C, H, W) with 1 for the pooled axis

    def conv_norm_pairs(self) -> Iterator[tuple[str, str]]:
        """Names of each convolution and of the norm that alone reads its output, see `mmattn.inference.fold`."""
        yield 'conv', 'norm'


@MODELS.register_module()
class TripletAttention(Attention):
    """``x * (cw + hc + hw) / 3``: one re-weighted feature map for each plane of the (C, H, W) box.

    Args:
        in_channels: Number of channels C of the input feature map.
        kernel_size: Odd kernel size of the three convolutions.
        identity_init: Start as the identity, see `Attention`.

    Raises:
        ValueError: if `in_channels` is not a positive integer or `kernel_size` not a positive odd
            one.
    """

    def __init__(self, in_channels: int, kernel_size: int = 7, identity_init: bool = False):
        super().__init__(in_channels, identity_init)
        check_odd('kernel_size', kernel_size)
        self.cw = PlaneAttention(2, kernel_size)
        self.hc = PlaneAttention(3, kernel_size, transpose=True)
        self.hw = PlaneAttention(1, kernel_size)

    def attend(self, x: Tensor) -> Tensor:
        cw, hc, hw = self.cw(x) / 3, self.hc(x) / 3, self.hw(x) / 3  # scaled while they are small
        return x * (cw + hc + hw).to(x.dtype)
