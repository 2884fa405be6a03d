"""Comparison of an exported segmentor with its model: pixels that are of the same class, and mIoU."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.config import Config

from mmattn.analysis.evaluation.pixels import PixelAreas, pixel_confusion
from mmattn.engine.progress import progress
from mmattn.errors import UserError
from mmattn.export.runner import Exported, read

from .pictures import SHAPES, sized_pictures, spread, validation_set
from .reference import Reference
from .tolerances import Tolerance
from .verification import Check, Verification

# Number of images of each size that are given at once.
BATCHES = (2, 1, 1, 1, 1, 1)


def verify_segmentor(
    cfg: Config, model: Any, exported: Exported, tolerance: Tolerance, limit: int | None
) -> Verification:
    """Compares labels on images of the demo in six sizes and, where they are there, on validation images, with mIoU.

    Args:
        cfg: Config of the model.
        model: Segmentor in eval mode.
        exported: The file.
        tolerance: How much they may differ.
        limit: Largest number of validation images; None: all.
    """
    reference = Reference(cfg, model, exported.info['resized'])
    pixels = _Pixels()
    for images, batch in zip(sized_pictures(exported.info['side'], max(BATCHES)), BATCHES, strict=True):
        images = images[:batch]
        for wanted, found in zip(map(reference.labels, images), exported.run(np.stack(images))['labels'], strict=True):
            pixels.add(wanted, found)
    checks = [Check(f'pixels of the same class ({len(SHAPES)} sizes)', pixels.share, tolerance.pixels, least=True)]
    count, notes, source = sum(BATCHES), [], 'images of the demo'
    try:
        dataset: Any = validation_set(cfg)
    except UserError as error:
        notes.append(f'mIoU was not compared: {error}')
        return Verification(checks, count, source, notes)
    classes, pixels = len(exported.classes), _Pixels()
    ignored = getattr(dataset, 'ignore_index', 255)
    confusions: tuple[list, list] = ([], [])
    indices = spread(len(dataset), limit)
    for index in progress(indices, 'comparing'):
        info = dataset.get_data_info(index)
        image = read(info['img_path'])
        answers = reference.labels(image), exported.run(image[None])['labels'][0]
        pixels.add(*answers)
        sample = dataset[index]['data_samples']
        truth = np.asarray(sample.gt_sem_seg.data)[0] if 'gt_sem_seg' in sample else None
        for matrices, labels in zip(confusions, answers, strict=True):
            if truth is not None and truth.shape == labels.shape:
                matrices.append(pixel_confusion(truth, labels, classes, ignored))
    checks.append(Check('pixels of the same class (validation images)', pixels.share, tolerance.pixels, least=True))
    values = [PixelAreas.of(matrices, classes).means()['mIoU'] for matrices in confusions]
    if np.isfinite(values).all():
        text = f'mIoU {values[0]:.4f} and {values[1]:.4f}, difference'
        checks.append(Check(text, abs(values[0] - values[1]), tolerance.metric))
    else:
        notes.append('mIoU was not compared: no label picture has pixels of a class and the size of its image')
    return Verification(checks, count + len(indices), f'{source}, validation images', notes)


class _Pixels:
    """The share of pixels of images that are of the same class in two label pictures."""

    def __init__(self) -> None:
        self.all = self.same = 0

    def add(self, wanted: np.ndarray, found: np.ndarray) -> None:
        """Counts the pixels of an image, (H, W) both."""
        self.all += wanted.size
        self.same += int((wanted == found).sum())

    @property
    def share(self) -> float:
        return self.same / self.all
