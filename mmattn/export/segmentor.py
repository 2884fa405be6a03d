"""Segmentors of mmsegmentation as one graph from prepared images to the label of each pixel."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmattn.export.grid_pooling import with_grid_pooling

# Number of classes up to which labels have 8 bits, as in label pictures.
BYTE = 256


class SegmentorGraph(nn.Module):
    """An EncoderDecoder of mmsegmentation, of which every step is an operator of ONNX.

    What its data preprocessor pads images with is here, and not in what prepares them: the logits of the padding are
    cut off again.

    Args:
        model: Segmentor in eval mode that predicts images as a whole; its parts are changed.
        scores: Whether the probability of each pixel's class is an output, too.
    """

    backbone: Any
    neck: Any
    head: Any

    def __init__(self, model: Any, scores: bool = False) -> None:
        super().__init__()
        self.backbone, self.neck = model.backbone, model.neck if model.with_neck else None
        self.head = model.decode_head
        with_grid_pooling(self)
        self.align_corners: bool = model.align_corners
        padding = model.data_preprocessor.test_cfg or {}
        self.padded_size: Sequence[int] | None = padding.get('size')
        self.divisor: int = padding.get('size_divisor') or 1
        self.pad_value = float(model.data_preprocessor.pad_val)
        self.has_scores = scores

    def forward(self, x: Tensor, size: Tensor, scale: Tensor, given: Tensor) -> tuple[Tensor, ...]:
        """Finds the class of each pixel of images.

        Args:
            x: Normalised images, (N, 3, H, W).
            size: Not used, as the shape of `x` says it.
            scale: Not used, as the shape of `given` says it.
            given: The images given, (N, h, w, 3).

        Returns:
            Labels, (N, h, w), uint8, or int64 of more than 256 classes; with `scores` also the probability of these
            classes, (N, h, w).
        """
        height, width = x.shape[2:]
        padded = self.pad(x)
        with _without_hints(self):
            features = self.backbone(padded)
            if self.neck is not None:
                features = self.neck(features)
            logits = self.head(features)
        logits = self.resize(logits, padded.shape[2:])[:, :, :height, :width]
        return self.decide(self.resize(logits, given.shape[1:3]))

    def pad(self, x: Tensor) -> Tensor:
        """Images as large as the data preprocessor makes them, by padding at the right and below."""
        below, right = (
            torch.sym_max(self.padded_size[axis] - side, 0) if self.padded_size is not None else -side % self.divisor
            for axis, side in enumerate(x.shape[2:])
        )
        return F.pad(x, (0, right, 0, below), value=self.pad_value)

    def resize(self, logits: Tensor, size: Sequence[int]) -> Tensor:
        """Logits, (N, K, ...), in another size, as mmsegmentation resizes them."""
        return F.interpolate(logits, tuple(size), mode='bilinear', align_corners=self.align_corners)

    def decide(self, logits: Tensor) -> tuple[Tensor, ...]:
        """Labels and, with `scores`, their probabilities, (N, h, w) each, of logits, (N, K, h, w)."""
        if logits.shape[1] == 1:  # of the second of two classes
            foreground = logits.sigmoid()
            labels = (foreground > self.head.threshold).long()[:, 0]
            probabilities = torch.cat((1 - foreground, foreground), 1)
        else:
            labels, probabilities = logits.argmax(1), logits.softmax(1)
        scores = probabilities.gather(1, labels[:, None])[:, 0]
        if self.head.num_classes <= BYTE:
            labels = labels.to(torch.uint8)
        return (labels, scores) if self.has_scores else (labels,)


@contextmanager
def _without_hints(network: nn.Module) -> Iterator[None]:
    """Has mmsegmentation resize without its hints about sizes, which would bind a graph to the size traced with."""
    homes = {cls.__module__ for module in network.modules() for cls in type(module).__mro__}
    found = [sys.modules[home] for home in homes if home.startswith('mmseg.') and hasattr(sys.modules[home], 'resize')]
    kept = [home.resize for home in found]
    for home in found:
        home.resize = partial(home.resize, warning=False)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for home, resize in zip(found, kept, strict=True):
            home.resize = resize  # type: ignore[attr-defined]
