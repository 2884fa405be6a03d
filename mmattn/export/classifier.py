"""A classifier as one graph from prepared images to logits and scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class ClassifierGraph(nn.Module):
    """An image classifier of mmpretrain, of which every step is an operator of ONNX.

    Args:
        model: Classifier in eval mode.
    """

    backbone: Callable[[Tensor], tuple[Tensor, ...]]
    neck: Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]] | None
    head: Callable[[tuple[Tensor, ...]], Tensor]

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.backbone, self.neck, self.head = model.backbone, model.neck, model.head

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Classifies images.

        Args:
            x: Normalised images, (N, 3, H, W).

        Returns:
            Logits and scores of the classes, (N, K) each.
        """
        features = self.backbone(x)
        if self.neck is not None:
            features = self.neck(features)
        logits = self.head(features)
        return logits, logits.softmax(1)
