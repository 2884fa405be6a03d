"""A backbone with what makes it a classifier."""

from __future__ import annotations

from torch import Tensor, nn

from mmattn.models.backbones import AttnResNet
from mmattn.models.necks import GlobalAveragePoolingBN


class Classifier(nn.Module):
    """Backbone, global average pooling, linear layer; its keys are those of mmpretrain's ImageClassifier.

    Backbones with depth attention get a BatchNorm after pooling, as the classifiers of SDA-xNet have.

    Args:
        backbone: Backbone of this package, which computes a tuple of feature maps.
        classes: Number of classes, the outputs of the linear layer.
    """

    def __init__(self, backbone: AttnResNet, classes: int) -> None:
        super().__init__()
        channels = backbone.out_channels[-1]
        self.backbone = backbone
        stages = [getattr(backbone, name) for name in backbone.stage_names]
        depth_attention = any(stage.depth_attn is not None for stage in stages)
        self.neck = GlobalAveragePoolingBN(channels) if depth_attention else None
        self.head = nn.ModuleDict({'fc': nn.Linear(channels, classes)})

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, classes)."""
        features = self.backbone(x)
        pooled = features[-1].mean((2, 3)) if self.neck is None else self.neck(features)[-1]
        return self.head['fc'](pooled)
