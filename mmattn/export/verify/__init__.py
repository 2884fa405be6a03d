"""Comparison of an exported file with the model that it was made of, on images: ``verify(...)``."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config

from mmattn.export.runner import Exported

from .classifier import verify_classifier
from .detector import verify_detector
from .segmentor import verify_segmentor
from .tolerances import TOLERANCES, Tolerance
from .verification import Check, Verification

__all__ = ['TOLERANCES', 'Check', 'Tolerance', 'Verification', 'verify']


def verify(
    cfg: Config, model: Any, exported: Exported, tolerance: Tolerance, images: int | None = None
) -> Verification:
    """Compares an exported file with its model.

    Classifiers and segmentors are compared on six sizes of image and, where the config's validation images are there,
    in accuracy and mIoU; detectors on these images, with AP, or else on those of the demo, without.

    Args:
        cfg: Config of the model.
        model: Model in eval mode, with its data preprocessor.
        exported: The file.
        tolerance: How much they may differ.
        images: Largest number of validation images; None: all.
    """
    if exported.task == 'classes':
        return verify_classifier(cfg, model, exported, tolerance, images)
    if exported.task == 'labels':
        return verify_segmentor(cfg, model, exported, tolerance, images)
    return verify_detector(cfg, model, exported, tolerance, images)
