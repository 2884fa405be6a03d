"""Efficient Multi-scale Attention (EMA), Ouyang et al., ICASSP 2023, arXiv:2305.13563.

Authors' repository: YOLOonMe/EMA-attention-module.
"""

import torch
from torch import Tensor, nn

from mmattn import ops
from mmattn.registry import MODELS

from .base import Attention, check_positive


@MODELS.register_module()
class EMA(Attention):
    """Spatial attention within groups of channels, from pooled rows and columns and a 3x3 convolution.

    With the group ``g`` of c = C / factor channels, ``lines`` the 1x1 convolution of its means over
    rows and over columns, and ``mean`` over positions:

        x1 = norm(g * sigmoid(lines of rows) * sigmoid(lines of columns))
        x2 = conv3x3(g)
        y  = g * sigmoid(softmax(mean(x1)) . x2 + softmax(mean(x2)) . x1)

    where ``norm`` runs over the positions of each channel and ``.`` sums over channels. The same
    weights serve all groups: ``10 * c**2 + 4 * c`` parameters.

    Args:
        in_channels: Number of channels C of the input feature map, divisible by `factor`.
        factor: Number of groups.
        eps: Number that is added to the variance in the normalisation.
        identity_init: Start as the identity, see `Attention`.

    Raises:
        ValueError: if `factor` does not divide the channels.
    """

    def __init__(self, in_channels: int, factor: int = 32, eps: float = 1e-5, identity_init: bool = False):
        super().__init__(in_channels, identity_init)
        if in_channels % check_positive('factor', factor):
            raise ValueError(f'EMA needs channels divisible by factor: {in_channels} is not by {factor}')
        self.factor = factor
        self.channels = channels = in_channels // factor
        self.norm = nn.GroupNorm(channels, channels, eps)
        self.conv1 = nn.Conv2d(channels, channels, 1)
        self.conv3 = nn.Conv2d(channels, channels, 3, padding=1)

    @torch.no_grad()
    def attention_map(self, x: Tensor) -> Tensor:
        """The weights of the positions in each group, (N, factor, H, W)."""
        return self.position_weights(x)[:, :, 0]

    def attend(self, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        groups = x.reshape(n, self.factor, self.channels, height, width)
        return (groups * self.position_weights(x)).reshape(x.shape)

    @ops.faster_way('ema', ops.ema.position_weights)
    def position_weights(self, x: Tensor) -> Tensor:
        """The weight of each position for each group, (N, factor, 1, H, W)."""
        n, _, height, width = x.shape
        g = x.reshape(n * self.factor, self.channels, height, width)  # (N * factor, c, H, W)
        rows, columns = g.mean(3, keepdim=True), g.mean(2, keepdim=True)
        lines = self.conv1(torch.cat((rows, columns.transpose(2, 3)), 2)).sigmoid()  # (N * factor, c, H + W, 1)
        x1 = self.norm(g * lines[:, :, :height] * lines[:, :, height:].transpose(2, 3))
        x2 = self.conv3(g)
        logits = across_channels(x1, x2) + across_channels(x2, x1)
        return logits.sigmoid().to(x.dtype).reshape(n, self.factor, 1, height, width)


def across_channels(descriptor: Tensor, x: Tensor) -> Tensor:
    """Sum over the channels of `x`, weighted by the softmax of the means of `descriptor`.

    Args:
        descriptor: Feature map (B, c, H, W) whose c means give the weights.
        x: Feature map (B, c, H, W).

    Returns:
        The sums, (B, 1, H * W).
    """
    weights = descriptor.mean((2, 3)).softmax(1)[:, None]  # (B, 1, c)
    return weights @ x.flatten(2)
