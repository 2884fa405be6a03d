"""RetinaNet and YOLOX as one graph from prepared images to objects."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mmattn.export.boxes import MOST, NONE, bound, decode, groups_of, large, suppress


class OneStageGraph(nn.Module):
    """A one-stage detector of mmdet, of which every step is an operator of ONNX.

    Args:
        model: Detector in eval mode.
    """

    backbone: Any
    neck: Any
    head: Any

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.backbone, self.neck, self.head = model.backbone, model.neck, model.bbox_head

    def forward(self, x: Tensor, size: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Finds the objects of images.

        Args:
            x: Normalised and padded images, (N, 3, H, W).
            size: Height and width before the padding, (2,).
            scale: Width and height of them over those of the images given, (2,).

        Returns:
            Boxes in pixels of the images given, (M, 4), scores, labels, and the number of the image of each.
        """
        features = self.neck(self.backbone(x))
        boxes, scores, labels = self.candidates(features, size)
        boxes = boxes / scale.repeat(2)
        image, place = self.valid(boxes, scores).nonzero().unbind(1)
        bound(image)
        boxes, scores, labels = boxes[image, place], scores[image, place], labels[image, place]
        cfg = self.head.test_cfg
        kept = suppress(boxes, scores, torch.stack((groups_of(labels, cfg.nms), image), 1), cfg.nms.iou_threshold)
        kept = kept[self.within(image[kept], x.shape[0])]
        bound(kept)
        by_image = image[kept] * MOST + torch.arange(kept.shape[0], device=kept.device)  # best first in each image
        kept = kept[by_image.argsort()]
        return boxes[kept], scores[kept], labels[kept], image[kept]

    def candidates(self, features: tuple[Tensor, ...], size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes in pixels of `x`, (N, K, 4), scores and labels, (N, K), before non-maximum suppression."""
        raise NotImplementedError

    def valid(self, boxes: Tensor, scores: Tensor) -> Tensor:
        """Whether boxes in pixels of the images given are candidates, (N, K)."""
        raise NotImplementedError

    def within(self, image: Tensor, count: int) -> Tensor:
        """Whether objects, best first, are among the best of their image."""
        raise NotImplementedError


class RetinaNetGraph(OneStageGraph):
    """RetinaNet, whose anchors have a score for each class."""

    def valid(self, boxes: Tensor, scores: Tensor) -> Tensor:
        cfg = self.head.test_cfg
        return (scores > cfg.score_thr) & large(boxes, cfg.get('min_bbox_size', -1))

    def within(self, image: Tensor, count: int) -> Tensor:
        most = self.head.test_cfg.max_per_img
        mine = image[:, None] == torch.arange(count, device=image.device)
        return (mine.long().cumsum(0) * mine).sum(1) <= most

    def candidates(self, features: tuple[Tensor, ...], size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        head, most, found = self.head, self.head.test_cfg.nms_pre, []
        for level, (logits, deltas) in enumerate(zip(*head(features), strict=True)):
            anchors = head.prior_generator.single_level_grid_priors(
                logits.shape[-2:], level, logits.dtype, logits.device
            )
            count, classes = logits.shape[0], head.cls_out_channels
            scores = logits.permute(0, 2, 3, 1).reshape(count, -1).sigmoid()
            scores = torch.cat((scores, scores.new_full((count, most), NONE)), 1)
            scores, order = scores.topk(most, 1)
            # What fills a level up has no anchor, and takes the first.
            order = torch.where(scores > NONE, order, torch.zeros_like(order))
            anchor = order // classes
            deltas = deltas.permute(0, 2, 3, 1).reshape(count, -1, 4)
            deltas = deltas.gather(1, anchor[..., None].expand(-1, -1, 4))
            found.append((decode(head.bbox_coder, anchors[anchor], deltas, size), scores, order % classes))
        boxes, scores, labels = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
        return boxes, scores, labels


class YOLOXGraph(OneStageGraph):
    """YOLOX, whose points have one class and objectness."""

    def valid(self, boxes: Tensor, scores: Tensor) -> Tensor:
        return scores >= self.head.test_cfg.score_thr

    def within(self, image: Tensor, count: int) -> Tensor:
        return torch.ones_like(image, dtype=torch.bool)  # mmdet does not limit their number

    def candidates(self, features: tuple[Tensor, ...], size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        head, found = self.head, []
        for level, (logits, deltas, objectness) in enumerate(zip(*head(features), strict=True)):
            points = head.prior_generator.single_level_grid_priors(
                logits.shape[-2:], level, logits.dtype, logits.device, with_stride=True
            )
            count = logits.shape[0]
            scores, labels = logits.permute(0, 2, 3, 1).reshape(count, -1, head.cls_out_channels).sigmoid().max(2)
            scores = scores * objectness.reshape(count, -1).sigmoid()
            deltas = deltas.permute(0, 2, 3, 1).reshape(count, -1, 4)
            center = deltas[..., :2] * points[:, 2:] + points[:, :2]
            half = deltas[..., 2:].exp() * points[:, 2:] / 2
            found.append((torch.cat((center - half, center + half), -1), scores, labels))
        boxes, scores, labels = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
        return boxes, scores, labels
