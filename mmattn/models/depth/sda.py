"""Selective depth attention (SDA).

Guo et al., SDA-xNet: Selective Depth Attention Networks for Adaptive Multi-scale Feature Representation,
arXiv:2209.10327; github.com/QingbeiGuo/SDA-xNet. There the residual sums are concatenated one by one into a 5-D
tensor; here each is pooled by itself (pooling is linear: the pool of a sum is the sum of the pools), and the
convolutions that give each block's weights are rows of one.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from mmcv.cnn import build_norm_layer
from torch import Tensor, nn

from mmattn.registry import MODELS

from ..gate import Gated


@MODELS.register_module()
class SDA(Gated):
    """A softmax over depth of the residual sums Z_1 ... Z_m of a stage's m blocks, for each channel.

        u = GAP(sum_k Z_k)
        v = ReLU(norm(W_d u))
        a = softmax over k of (W_k v + b_k)
        output = sum_k a_k Z_k

    A list of m feature maps (N, C, H, W) -> (N, C, H, W). With `identity_init` the weights are ``e + gate * (a - e)``,
    where e is 1 for the last feature map and 0 for the others, and one learned scalar gate starts at zero: the stage
    starts with its last block's output, as without depth attention. The gate gets a gradient from the first step, the
    other parameters from the second.

    Args:
        channels: Number of channels C of each feature map.
        depth: Number m of feature maps.
        reduction: r; v has max(C // r, min_channels) channels.
        min_channels: Least number of channels of v (the paper's L).
        norm_cfg: Config of the norm of v. BatchNorm sees one value an image here: with few images per process take
            GroupNorm, or norm_eval=True with pretrained weights; one image per process raises PyTorch's ValueError.
        identity_init: Start as the last feature map. Without it the module has no gate and no key for one.

    Examples:
        >>> sda = SDA(channels=256, depth=3)
        >>> sda([torch.rand(2, 256, 14, 14) for _ in range(3)]).shape
        torch.Size([2, 256, 14, 14])
    """

    def __init__(
        self,
        channels: int,
        depth: int,
        reduction: int = 16,
        min_channels: int = 64,
        norm_cfg: dict | None = None,
        identity_init: bool = False,
    ) -> None:
        super().__init__(identity_init)
        self.channels, self.depth = channels, depth
        hidden = max(channels // reduction, min_channels)
        self.squeeze = nn.Conv2d(channels, hidden, 1, bias=False)
        self.bn = build_norm_layer(norm_cfg or dict(type='BN'), hidden)[1]
        self.relu = nn.ReLU(inplace=True)
        self.expand = nn.Conv2d(hidden, depth * channels, 1)
        self.init_weights()

    def init_weights(self) -> None:
        """Kaiming (fan-out) for each of the m rows of `expand` as for a convolution of its own."""
        nn.init.kaiming_normal_(self.squeeze.weight, mode='fan_out', nonlinearity='relu')
        for rows in self.expand.weight.data.chunk(self.depth):
            nn.init.kaiming_normal_(rows, mode='fan_out', nonlinearity='relu')

    def depth_weights(self, sums: list[Tensor]) -> Tensor:
        """The weight of each feature map and channel, gate included, (N, depth, C, 1, 1), summing to 1 over depth.

        Args:
            sums: The feature maps, each (N, C, H, W).
        """
        pooled = torch.stack([z.mean((2, 3), keepdim=True) for z in sums]).sum(0)  # (N, C, 1, 1)
        logits = self.expand(self.relu(self.bn(self.squeeze(pooled))))  # (N, depth * C, 1, 1)
        weights = logits.reshape(-1, self.depth, self.channels, 1, 1).softmax(1)
        return weights if self.gate is None else self.gated(_last_only(weights), weights)

    def forward(self, sums: list[Tensor]) -> Tensor:
        weights = self.depth_weights(sums).to(sums[0].dtype)  # autocast computes a softmax in float32
        out = sums[0] * weights[:, 0]
        for k in range(1, self.depth):
            out = out.addcmul_(sums[k], weights[:, k])  # assigned, so that no traced graph drops it as unused
        return out

    def conv_norm_pairs(self) -> Iterator[tuple[str, str]]:
        """Names of each convolution and of the norm that alone reads its output, see `mmattn.inference.fold`."""
        yield 'squeeze', 'bn'


def _last_only(weights: Tensor) -> Tensor:
    """1 for the last feature map, 0 for the others, in the shape of `weights`."""
    return torch.cat((torch.zeros_like(weights[:, :-1]), torch.ones_like(weights[:, -1:])), 1)
