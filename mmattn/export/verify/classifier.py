"""Comparison of an exported classifier with its model: logits at six sizes and three batches, and accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.config import Config

from mmattn.engine.progress import progress
from mmattn.errors import UserError
from mmattn.export.runner import Exported, read

from .pictures import SHAPES, sized_pictures, spread, validation_set
from .reference import Reference
from .tolerances import Tolerance
from .verification import Check, Verification

BATCHES = (1, 2, 5)


def verify_classifier(
    cfg: Config, model: Any, exported: Exported, tolerance: Tolerance, limit: int | None
) -> Verification:
    """Compares logits on images of the demo in six sizes and, where they are there, on validation images.

    Args:
        cfg: Config of the model.
        model: Classifier in eval mode.
        exported: The file.
        tolerance: How much they may differ.
        limit: Largest number of validation images; None: all.
    """
    reference = Reference(cfg, model, exported.info['resized'])
    differences, count = [], 0
    for images in sized_pictures(exported.info['side'], max(BATCHES)):
        for batch in BATCHES:
            differences.append(_difference(reference, exported, images[:batch]))
            count += batch
    text = f'logits, largest difference over the largest ({len(SHAPES)} sizes x {len(BATCHES)} batches)'
    checks, notes = [Check(text, float(np.max(differences)), tolerance.logits)], []  # NaN where one is
    source = 'images of the demo'
    try:
        dataset: Any = validation_set(cfg)
    except UserError as error:
        notes.append(f'accuracy was not compared: {error}')
        return Verification(checks, count, source, notes)
    indices = spread(len(dataset), limit)
    right = np.zeros((2, len(indices)), bool)
    for row, index in enumerate(progress(indices, 'comparing')):
        info = dataset.get_data_info(index)
        image = read(info['img_path']) if info.get('img_path') else np.asarray(info['img'])
        answers = reference.logits([image]).numpy(), exported.run(exported.prepared(image)[None])['logits']
        right[:, row] = [answer[0].argmax() == info['gt_label'] for answer in answers]
    accuracy = right.mean(1)
    checks.append(
        Check(
            f'accuracy {accuracy[0]:.4f} and {accuracy[1]:.4f}, difference',
            abs(accuracy[0] - accuracy[1]),
            tolerance.metric,
        )
    )
    return Verification(checks, count + len(indices), f'{source}, validation images', notes)


def _difference(reference: Reference, exported: Exported, images: list[np.ndarray]) -> float:
    """The largest difference of the logits of images of one size, over the largest logit."""
    wanted = reference.logits(images).numpy()
    found = exported.run(np.stack([exported.prepared(image) for image in images]))['logits']
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())
