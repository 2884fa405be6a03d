"""Faster and Mask R-CNN as one graph from a prepared image to objects."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

from mmattn.export.boxes import NONE, best, bound, decode, groups_of, large, suppress
from mmattn.export.masks import paste


class TwoStageGraph(nn.Module):
    """A two-stage detector of mmdet, of which every step is an operator of ONNX.

    Args:
        model: Faster or Mask R-CNN, in eval mode, one image at a time.
    """

    backbone: Any
    neck: Any
    rpn: Any
    roi: Any

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.backbone, self.neck, self.rpn, self.roi = model.backbone, model.neck, model.rpn_head, model.roi_head
        self.has_masks = model.with_mask

    def forward(self, x: Tensor, size: Tensor, scale: Tensor, image: Tensor) -> tuple[Tensor, ...]:
        """Finds the objects of an image.

        Args:
            x: Normalised and padded image, (1, 3, H, W).
            size: Height and width before the padding, (2,).
            scale: Width and height of it over those of the image given, (2,).
            image: The image given, (1, h, w, 3).

        Returns:
            Boxes in pixels of the image given, (N, 4), scores, labels and, of Mask R-CNN, masks, (N, h, w), boolean.
        """
        features = self.neck(self.backbone(x))
        proposals = self.propose(features, size)
        # mmdet suppresses in pixels of the image given, but with masks in those of `x`.
        boxes, scores, labels = self.classify(features, proposals, size, None if self.has_masks else scale)
        if not self.has_masks:
            return boxes, scores, labels
        head = self.roi.mask_head
        logits = head(self.pool(self.roi.mask_roi_extractor, features, boxes))
        boxes = boxes / scale.repeat(2)
        if head.class_agnostic:
            chosen = logits[:, 0]
        else:
            chosen = logits.gather(1, labels[:, None, None, None].expand(-1, 1, *logits.shape[2:]))[:, 0]
        masks = paste(chosen.sigmoid(), boxes, image.shape[1], image.shape[2])
        return boxes, scores, labels, masks >= self.roi.test_cfg.mask_thr_binary

    def propose(self, features: tuple[Tensor, ...], size: Tensor) -> Tensor:
        """Boxes that may hold an object, (N, 4), in pixels of `x`."""
        head, cfg = self.rpn, self.rpn.test_cfg
        found = []
        for level, (logits, deltas) in enumerate(zip(*head(features), strict=True)):
            anchors = head.prior_generator.single_level_grid_priors(
                logits.shape[-2:], level, logits.dtype, logits.device
            )
            logits = logits[0].permute(1, 2, 0).reshape(-1, head.cls_out_channels)
            score = logits.sigmoid()[:, 0] if head.use_sigmoid_cls else logits.softmax(-1)[:, 0]
            score, (anchors, delta) = best(score, [anchors, deltas[0].permute(1, 2, 0).reshape(-1, 4)], cfg.nms_pre)
            found.append((decode(head.bbox_coder, anchors, delta, size), score, torch.full_like(score, level)))
        boxes, scores, levels = (torch.cat(parts) for parts in zip(*found, strict=True))
        chosen = ((scores > NONE) & large(boxes, cfg.get('min_bbox_size', -1))).nonzero()[:, 0]
        bound(chosen)
        boxes, scores, levels = boxes[chosen], scores[chosen], levels[chosen]
        return boxes[suppress(boxes, scores, groups_of(levels, cfg.nms), cfg.nms.iou_threshold, cfg.max_per_img)]

    def pool(self, extractor: Any, features: tuple[Tensor, ...], boxes: Tensor) -> Tensor:
        """Features of boxes, each from the level that its size belongs to, (N, C, h, w)."""
        layers = extractor.roi_layers
        rois = torch.cat((torch.zeros_like(boxes[:, :1]), boxes), 1)
        levels = extractor.map_roi_levels(rois, len(layers))
        pooled, order = [], []
        for level, layer in enumerate(layers):
            here = (levels == level).nonzero()[:, 0]
            bound(here)
            order.append(here)
            pooled.append(
                roi_align(
                    features[level],
                    rois[here],
                    layer.output_size,
                    layer.spatial_scale,
                    layer.sampling_ratio,
                    layer.aligned,
                )
            )
        return torch.cat(pooled)[torch.cat(order).argsort()]

    def classify(
        self, features: tuple[Tensor, ...], proposals: Tensor, size: Tensor, scale: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes, scores and labels of the objects in the proposals; boxes in pixels of `x` where there is no scale."""
        head, cfg = self.roi.bbox_head, self.roi.test_cfg
        logits, deltas = head(self.pool(self.roi.bbox_roi_extractor, features, proposals))
        scores = logits.softmax(-1)[:, :-1]  # the last is the background's
        count = scores.shape[1]
        deltas = deltas.reshape(-1, 1 if head.reg_class_agnostic else count, 4)
        boxes = decode(head.bbox_coder, proposals[:, None], deltas, size).expand(-1, count, 4)
        boxes = boxes if scale is None else boxes / scale.repeat(2)
        row, label = (scores > cfg.score_thr).nonzero().unbind(1)
        bound(row)
        boxes, scores = boxes[row, label], scores[row, label]
        kept = suppress(boxes, scores, groups_of(label, cfg.nms), cfg.nms.iou_threshold, cfg.max_per_img)
        return boxes[kept], scores[kept], label[kept]
