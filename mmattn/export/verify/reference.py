"""A model on images as its config's test pipeline prepares them: what an exported file is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from torch import Tensor

from mmattn.analysis.runs.tested_data import transforms_of
from mmattn.engine.types import type_name


class Reference:
    """A model with the steps of its config's test pipeline after the loading of an image.

    Args:
        cfg: Config of the model.
        model: Model in eval mode, with its data preprocessor.
        resized: Whether the pipeline resizes images; without, only its packing is kept.
    """

    def __init__(self, cfg: Config, model: Any, resized: bool = True) -> None:
        transforms = transforms_of(cfg)
        self._blue_first = any(type_name(one) == 'LoadImageFromFile' for one in transforms)
        kept = [one for one in transforms if not type_name(one).startswith('Load')]
        if not resized:
            kept = [one for one in kept if type_name(one).startswith('Pack')]
        self._pipeline, self._model = Compose(kept), model

    @torch.no_grad()
    def logits(self, images: Sequence[np.ndarray]) -> Tensor:
        """Logits of a classifier, (N, K), of images of one size, each (H, W, 3), RGB, uint8."""
        data = self._model.data_preprocessor(pseudo_collate([self._data(image) for image in images]), False)
        return self._model(data['inputs'], mode='tensor')

    @torch.no_grad()
    def objects(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Boxes, scores, labels and masks that a detector finds in an image, (H, W, 3), RGB, uint8."""
        (sample,) = self._model.test_step(pseudo_collate([self._data(image)]))
        found = sample.pred_instances
        values = dict(boxes=found.bboxes, scores=found.scores, labels=found.labels)
        if 'masks' in found:
            values['masks'] = found.masks
        return {name: np.asarray(value) for name, value in values.items()}

    @torch.no_grad()
    def labels(self, image: np.ndarray) -> np.ndarray:
        """The label of each pixel, (H, W), that a segmentor finds in an image, (H, W, 3), RGB, uint8."""
        (sample,) = self._model.test_step(pseudo_collate([self._data(image)]))
        return np.asarray(sample.pred_sem_seg.data)[0]

    def _data(self, image: np.ndarray) -> dict:
        pixels = np.ascontiguousarray(image[..., ::-1] if self._blue_first else image)
        size = pixels.shape[:2]
        # mmdet asks for the scale, which its own Resize replaces.
        data = dict(img=pixels, img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0), img_path='', img_id=0)
        return self._pipeline(data)
