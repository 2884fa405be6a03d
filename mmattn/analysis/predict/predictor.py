"""A trained model of mmdet, mmseg or mmpretrain, which predicts on images read as its config's test data."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch import nn

from mmattn.analysis.runs.model import find_model
from mmattn.analysis.runs.tested_data import ClassNames, palette_of
from mmattn.engine.kinds import Kind, kind_of
from mmattn.engine.trained import load_trained
from mmattn.errors import UserError

from .found import Classes, Detections, Found, Labels, Masks, Patch
from .reading import ImageReader, LoadedImage
from .streaming import StreamingPredictor
from .tiles import Tiles


class Predictor(StreamingPredictor):
    """A trained model that is given images and says what it finds in them.

    Images go through the transforms of the config's test data. Batches hold images that these transforms make alike in
    size, so that none is padded for another and the predictions do not depend on the size of the batch.

    Args:
        model: Work folder of a training, of which the best checkpoint is taken, or else the newest whole one; or a
            checkpoint in a work folder; or a config of mmdet, mmseg or mmpretrain or its path.
        checkpoint: Path or address of the weights; None: those that `model` names.
        device: Device to predict on: 'cpu', 'cuda', 'cuda:1', …
        threshold: Least score of the objects that a detector finds.
        classes: Names of the classes to look for; None: all.
        tiles: Tiles that a detector looks at besides the whole image; None: none.
        batch: Number of images or tiles that are predicted at a time.

    Raises:
        UserError: Config or checkpoint are missing or damaged or do not fit each other, there is no such class, or the
            model is no detector but has tiles.

    Examples:
        >>> predictor = Predictor('work_dirs/quickstart', threshold=0.5)
        >>> for found in predictor(['one.jpg', 'two.jpg']):
        ...     boxes, names, scores = found.boxes, found.names, found.scores  # (N, 4), N texts, (N,)
    """

    def __init__(
        self,
        model: str | Path | Config,
        checkpoint: str | Path | None = None,
        device: str = 'cpu',
        *,
        threshold: float = 0.3,
        classes: Sequence[str] | None = None,
        tiles: Tiles | None = None,
        batch: int = 1,
    ) -> None:
        if not isinstance(model, Config):
            model, checkpoint, _ = find_model(str(model), checkpoint)
        if checkpoint is None:
            raise UserError(f'no checkpoint for {model.filename}; name one, or a work folder that holds both')
        self.cfg, self.checkpoint = model, checkpoint
        trained = load_trained(_above(model, threshold), checkpoint, device, prepared=True)
        self._reader = ImageReader(model)
        self._model: Any = trained.model
        names = ClassNames.of(trained.classes, model)
        palette = palette_of(trained.palette, model)
        super().__init__(names, kind_of(self._model), threshold, classes, tiles, batch, palette)

    def load(self, image: str | Path | np.ndarray) -> LoadedImage:
        return self._reader.load(image)

    def transformed(self, pixels: np.ndarray) -> dict:
        return self._reader.transformed(pixels)

    @torch.no_grad()
    def find(self, batch: Sequence[dict]) -> list[Found]:
        finders: dict[Kind, Callable[[Any], Found]] = dict(
            detector=self._detections, segmentor=self._labels, classifier=self._classes
        )
        return [finders[self.kind](sample) for sample in self._model.test_step(pseudo_collate(batch))]

    def _detections(self, sample) -> Detections:
        found = getattr(sample, 'pred_instances', None)
        if found is None or 'bboxes' not in found or found.bboxes.shape[-1] != 4:
            raise UserError(
                f'{self.cfg.filename} predicts no boxes; detectors of mmdet with upright boxes, '
                'segmentors of mmseg and classifiers of mmpretrain can predict here'
            )
        found = found[self.kept(found.scores, found.labels)].cpu()
        found = found[found.scores.argsort(descending=True, stable=True)]
        masks = found.get('masks')
        if masks is not None:
            height, width = sample.ori_shape[:2]
            masks = Masks((Patch.of(np.asarray(mask, dtype=bool)) for mask in masks), height, width)
        return self.detections(found.bboxes.float(), found.scores.float(), found.labels, masks)

    def _labels(self, sample) -> Labels:
        found = sample.get('pred_sem_seg')
        if found is None:
            raise UserError(
                f'{self.cfg.filename} predicts no classes of pixels; segmentors of mmseg, detectors of mmdet and '
                'classifiers of mmpretrain can predict here'
            )
        head: Any = self._model.decode_head
        head = head[-1] if isinstance(head, nn.ModuleList) else head  # of a cascade the last
        return self.labelled(found.data[0].cpu().numpy(), head.num_classes)

    def _classes(self, sample) -> Classes:
        scores = sample.get('pred_score')
        if scores is None or scores.ndim != 1:
            raise UserError(
                f'{self.cfg.filename} predicts neither boxes nor scores of classes; detectors of mmdet, '
                'segmentors of mmseg and classifiers of mmpretrain can predict here'
            )
        return self.likeliest(scores)


def _above(cfg: Config, threshold: float) -> Config:
    """The config with detectors that leave out early what scores lower, masks of which would take long.

    Where NMS is the ordinary one this changes nothing above the threshold: no box is suppressed by a worse one.
    """
    cfg = copy.deepcopy(cfg)
    least = threshold * (1 - 1e-5)  # mmdet takes what is above
    for settings in _test_settings(cfg.get('model')):
        if 'score_thr' in settings and (settings.get('nms') or {}).get('type') == 'nms':
            settings['score_thr'] = max(settings['score_thr'], least)
    return cfg


def _test_settings(model: object) -> Iterator[dict]:
    found = model.get('test_cfg') if isinstance(model, dict) else None
    if isinstance(found, dict):
        yield found
        if isinstance(found.get('rcnn'), dict):
            yield found['rcnn']
