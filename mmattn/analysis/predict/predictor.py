"""A trained detector of mmdet or classifier of mmpretrain, which predicts on images read as its config's test data."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from mmattn.analysis.complexity.networks import is_detector
from mmattn.analysis.runs.model import find_model
from mmattn.analysis.runs.tested_data import ClassNames
from mmattn.engine.trained import load_trained
from mmattn.errors import UserError

from .found import Classes, Detections, Masks, Patch
from .reading import ImageReader, LoadedImage
from .tiles import Tiles, Window, merged

Key = TypeVar('Key')
# Number of classes of an image that a classifier names.
TOP = 5


class Predictor:
    """A trained model that is given images and says what it finds in them.

    Images go through the transforms of the config's test data. Batches hold images that these transforms make alike in
    size, so that none is padded for another and the predictions do not depend on the size of the batch.

    Args:
        model: Work folder of a training, of which the best checkpoint is taken, or else the newest whole one; or a
            checkpoint in a work folder; or a config of mmdet or mmpretrain or its path.
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
        self.threshold, self.tiles, self.batch = threshold, tiles, batch
        trained = load_trained(_above(model, threshold), checkpoint, device, prepared=True)
        self._reader = ImageReader(model)
        self._model: Any = trained.model
        self.is_detector = is_detector(self._model)
        if tiles is not None and not self.is_detector:
            raise UserError(f'{model.filename} is no detector, which tiles are for; leave them out')
        self.classes = ClassNames.of(trained.classes, model)
        self._chosen = None if classes is None else torch.tensor([self.classes.label(name) for name in classes])

    def __call__(self, images: Iterable[str | Path | np.ndarray]) -> Iterator[Detections | Classes]:
        """Yields what is found in each image, in their order; only a batch of images is held at a time.

        Args:
            images: Paths of images, or images as arrays, (H, W, 3), in the order blue, green, red.

        Raises:
            OSError: A file is missing, or no whole image; its name is in the message.
        """
        for _, _, found in self.stream((None, self.load(image)) for image in images):
            yield found

    def load(self, image: str | Path | np.ndarray) -> LoadedImage:
        """Reads an image and puts it through the transforms of the config's test data.

        Args:
            image: Path of an image file, or an image as an array, (H, W, 3), in the order blue, green, red.

        Raises:
            OSError: The file is missing, or no whole image, or none that the transforms take.
        """
        return self._reader.load(image)

    @torch.no_grad()
    def stream(
        self, images: Iterable[tuple[Key, LoadedImage]], done: Callable[[], object] = lambda: None
    ) -> Iterator[tuple[Key, LoadedImage, Detections | Classes]]:
        """Yields each image, by a key that the caller chooses, with what is found in it.

        Args:
            images: Keys and images, taken as they are needed.
            done: Called after each image and tile that was predicted, for a bar of progress.
        """
        waiting: deque[_Waiting] = deque()
        batch: list[tuple[_Waiting, dict]] = []
        for key, image in images:
            one = _Waiting(key, image, [(0, 0, *image.size), *self._windows(image)], [])
            waiting.append(one)
            for window in one.windows:
                data = image.data if window == one.windows[0] else self._tile(image, window)
                if batch and data['inputs'].shape != batch[0][1]['inputs'].shape:
                    self._predict(batch, done)
                batch.append((one, data))
                if len(batch) >= self.batch:
                    self._predict(batch, done)
            while waiting and waiting[0].complete:
                yield self._result(waiting.popleft())
        if batch:
            self._predict(batch, done)
        while waiting:
            yield self._result(waiting.popleft())

    def tile_shape(self, image: LoadedImage) -> tuple[int, int]:
        """Height and width in pixels that the transforms make of a tile of an image."""
        height, width = self._tile(image, self._windows(image)[0])['inputs'].shape[1:]
        return height, width

    def _predict(self, batch: list[tuple[_Waiting, dict]], done: Callable[[], object]) -> None:
        samples = self._model.test_step(pseudo_collate([data for _, data in batch]))
        for (one, _), sample in zip(batch, samples, strict=True):
            one.parts.append(self._detections(sample) if self.is_detector else self._classes(sample))
            done()
        batch.clear()

    def _result(self, one: _Waiting) -> tuple[Any, LoadedImage, Detections | Classes]:
        found = one.parts[0] if len(one.parts) == 1 else merged(one.windows, one.parts)
        return one.key, one.image, found

    def _windows(self, image: LoadedImage) -> list[Window]:
        return [] if self.tiles is None else self.tiles.windows(*image.size)

    def _tile(self, image: LoadedImage, window: Window) -> dict:
        left, top, right, bottom = window
        return self._reader.transformed(np.ascontiguousarray(image.pixels[top:bottom, left:right]))

    def _detections(self, sample) -> Detections:
        found = getattr(sample, 'pred_instances', None)
        if found is None or 'bboxes' not in found or found.bboxes.shape[-1] != 4:
            raise UserError(
                f'{self.cfg.filename} predicts no boxes; detectors of mmdet with upright boxes, and '
                'classifiers of mmpretrain, can predict here'
            )
        kept = found.scores >= self.threshold
        if self._chosen is not None:
            kept &= torch.isin(found.labels, self._chosen.to(found.labels.device))
        found = found[kept].cpu()
        found = found[found.scores.argsort(descending=True, stable=True)]
        masks = found.get('masks')
        if masks is not None:
            height, width = sample.ori_shape[:2]
            masks = Masks((Patch.of(np.asarray(mask, dtype=bool)) for mask in masks), height, width)
        names = [self.classes.name(label) for label in found.labels.tolist()]
        return Detections(found.bboxes.float(), found.scores.float(), found.labels, names, masks)

    def _classes(self, sample) -> Classes:
        scores = sample.get('pred_score')
        if scores is None or scores.ndim != 1:
            raise UserError(
                f'{self.cfg.filename} predicts neither boxes nor scores of classes; detectors of mmdet and '
                'classifiers of mmpretrain can predict here'
            )
        labels = torch.arange(len(scores)) if self._chosen is None else self._chosen
        scores, order = scores.cpu()[labels].sort(descending=True, stable=True)
        best = labels[order][:TOP].tolist()
        return Classes(scores[:TOP].tolist(), best, [self.classes.name(label) for label in best])


@dataclass
class _Waiting:
    key: object
    image: LoadedImage
    windows: list[Window]
    parts: list

    @property
    def complete(self) -> bool:
        return len(self.parts) == len(self.windows)


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
