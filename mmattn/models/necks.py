"""Necks between backbone and classification head."""

from __future__ import annotations

from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmattn.registry import MODELS


@MODELS.register_module()
class GlobalAveragePoolingBN(BaseModule):
    """Global average pooling and a norm: the classifiers of SDA-xNet (arXiv:2209.10327) have one before the last layer.

    Args:
        in_channels: Number of channels C of the last feature map.
        norm_cfg: Config of the norm.
        init_cfg: Initialisation as in mmengine.
    """

    def __init__(self, in_channels: int, norm_cfg: dict | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.bn = build_norm_layer(norm_cfg or dict(type='BN'), in_channels)[1]

    def forward(self, inputs: tuple[Tensor, ...] | Tensor) -> tuple[Tensor]:
        """The last of `inputs`, (N, C, H, W), as a tuple of one (N, C)."""
        x = inputs[-1] if isinstance(inputs, (tuple, list)) else inputs
        return (self.bn(self.pool(x)).flatten(1),)
