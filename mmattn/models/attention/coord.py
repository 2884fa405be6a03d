"""Coordinate Attention, Hou et al., arXiv:2103.02907. Authors' repository: houqb/CoordAttention."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmattn.registry import MODELS

from .base import Attention, check_positive, reduced


@MODELS.register_module()
class CoordAttention(Attention):
    """A weight per channel and row times one per channel and column, from their means.

    Args:
        in_channels: Number of channels C of the input feature map.
        reduction: The shared layer has ``C // reduction`` channels, but at least `min_channels`.
        min_channels: Least number of channels of the shared layer.
        identity_init: Start as the identity, see `Attention`.

    Raises:
        ValueError: if a number is not a positive integer.
    """

    def __init__(self, in_channels: int, reduction: int = 32, min_channels: int = 8, identity_init: bool = False):
        super().__init__(in_channels, identity_init)
        hidden = max(check_positive('min_channels', min_channels), reduced(in_channels, reduction))
        self.conv = nn.Conv2d(in_channels, hidden, 1)
        self.norm = nn.BatchNorm2d(hidden)
        self.conv_h = nn.Conv2d(hidden, in_channels, 1)
        self.conv_w = nn.Conv2d(hidden, in_channels, 1)

    def attend(self, x: Tensor) -> Tensor:
        rows, columns = x.mean(3), x.mean(2)  # (N, C, H), (N, C, W)
        hidden = F.hardswish(self.norm(self.conv(torch.cat((rows, columns), 2)[..., None])))
        height = x.shape[2]
        weight_h = self.conv_h(hidden[:, :, :height]).sigmoid()  # (N, C, H, 1)
        weight_w = self.conv_w(hidden[:, :, height:].transpose(2, 3)).sigmoid()  # (N, C, 1, W)
        return x * weight_w.to(x.dtype) * weight_h.to(x.dtype)

    def conv_norm_pairs(self) -> Iterator[tuple[str, str]]:
        """Names of each convolution and of the norm that alone reads its output, see `mmattn.inference.fold`."""
        yield 'conv', 'norm'
