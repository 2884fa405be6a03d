"""Selective depth attention (SDA).

Guo et al., SDA-xNet: Selective Depth Attention Networks for Adaptive Multi-scale Feature Representation,
arXiv:2209.10327; github.com/QingbeiGuo/SDA-xNet. There the maps are concatenated one by one into a 5-D tensor; here
each is pooled where it lies (pooling is linear: the pool of a sum is the sum of the pools), and the convolutions that
give each block's weights are rows of one.
"""
from __future__ import annotations

import torch
from mmcv.cnn import build_norm_layer
from torch import Tensor, nn
from torch.nn.modules.batchnorm import SyncBatchNorm, _BatchNorm

from mmattn.registry import MODELS

from ..compiling import own_gradients
from ..gate import Gated
from ..scale import dot


def weighted_sum(weights: Tensor, *maps: Tensor) -> Tensor:
    """sum_k a_k Z_k for weights (N, m, C, 1, 1) and m maps (N, C, H, W)."""
    out = maps[0] * weights[:, 0]
    for z, a in zip(maps[1:], weights.unbind(1)[1:]):
        out.addcmul_(z, a)
    return out


class WeightedSum(torch.autograd.Function):
    """`weighted_sum`, whose backward needs no more than the weights and the maps."""

    @staticmethod
    def forward(ctx, weights: Tensor, *maps: Tensor) -> Tensor:
        ctx.save_for_backward(weights, *maps)
        return weighted_sum(weights, *maps)

    @staticmethod
    def backward(ctx, dout: Tensor) -> tuple[Tensor, ...]:
        weights, *maps = ctx.saved_tensors
        return torch.stack([dot(dout, z) for z in maps], 1), *(dout * a for a in weights.unbind(1))


@MODELS.register_module()
class SDA(Gated):
    """Weighs the maps Z_1 ... Z_m of a stage's m blocks against each other, for each channel.

    u = GAP(sum_k Z_k);  v = ReLU(norm(W_d u));  a = softmax over k of (W_k v + b_k);  output = sum_k a_k Z_k

    With `identity_init` the weights are e + gate * (a - e), where e is 1 for the last map and 0 for the others, and
    one learned scalar gate starts at zero: the stage starts by handing on its last block's output, as without
    depth attention. The gate gets a gradient from the first step, the other parameters from the second.

    Args:
        channels: C, of each map.
        depth: m, the number of maps.
        reduction: r; v has max(C // r, min_channels) channels.
        min_channels: L, the least that v has.
        norm_cfg: norm of v. BatchNorm sees one value an image here: with few images per process take GroupNorm, or
            norm_eval=True with pretrained weights.
        identity_init: start as the last map. Without it the module has no gate and no key for one.

    Example:
        >>> sda = SDA(channels=256, depth=3)
        >>> sda([torch.rand(2, 256, 14, 14) for _ in range(3)]).shape
        torch.Size([2, 256, 14, 14])
    """

    def __init__(self, channels: int, depth: int, reduction: int = 16, min_channels: int = 64,
                 norm_cfg: dict | None = None, identity_init: bool = False) -> None:
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

    def summarize(self, z: Tensor) -> Tensor:
        """Global average pooling of one map, (N, C, H, W) -> (N, C, 1, 1)."""
        return z.mean((2, 3), keepdim=True)

    def depth_weights(self, maps: list[Tensor], summaries: list[Tensor] | None = None) -> Tensor:
        """The weight of each map and channel, gate included, (N, depth, C, 1, 1), summing to 1 over depth.

        Args:
            maps: the maps.
            summaries: what `summarize` returned for each of them, None: not known yet.

        Raises:
            ValueError: BatchNorm would have to take its statistics from a single image.
        """
        if summaries is None:
            summaries = [self.summarize(z) for z in maps]
        pooled = torch.stack(summaries).sum(0)  # (N, C, 1, 1)
        if self.bn.training and _takes_batch_statistics(self.bn) and pooled.shape[0] == 1:
            raise ValueError('SDA with BatchNorm cannot train on one image per process: use more images, '
                             "norm_cfg=dict(type='GN', num_groups=8), or norm_eval=True with pretrained weights")
        logits = self.expand(self.relu(self.bn(self.squeeze(pooled))))  # (N, depth * C, 1, 1)
        weights = logits.unflatten(1, (self.depth, self.channels)).softmax(1)
        return weights if self.gate is None else self.gated(_last_only(weights), weights)

    def forward(self, maps: list[Tensor], summaries: list[Tensor] | None = None) -> Tensor:
        weights = self.depth_weights(maps, summaries).to(maps[0].dtype)  # autocast gives float32
        return (WeightedSum.apply if own_gradients() else weighted_sum)(weights, *maps)


def _last_only(weights: Tensor) -> Tensor:
    """1 for the last map, 0 for the others, in the shape of `weights`."""
    return torch.cat((torch.zeros_like(weights[:, :-1]), torch.ones_like(weights[:, -1:])), 1)


def _takes_batch_statistics(norm: nn.Module) -> bool:
    return isinstance(norm, _BatchNorm) and not isinstance(norm, SyncBatchNorm)
