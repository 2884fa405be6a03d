"""Figures of predictions, of whatever kind of model they are."""

from __future__ import annotations

from collections.abc import Mapping

from .classifier_figures import ClassifierFigures, classifier_figures
from .detector_figures import DetectorFigures, detector_figures
from .segmentor_figures import SegmentorFigures, segmentor_figures

Figures = DetectorFigures | SegmentorFigures | ClassifierFigures


def figures_by_kind(predictions: Mapping) -> Figures:
    """Computes all figures of a model's predictions.

    Args:
        predictions: Predictions, as `mmattn.analysis.evaluation.checkpoint_predictions.predict` returns them.

    Raises:
        UserError: pycocotools, which those of a detector need, is not installed, or its annotations do not belong to
            the predictions.
    """
    if predictions['kind'] == 'detector':
        return detector_figures(predictions)
    return segmentor_figures(predictions) if predictions['kind'] == 'segmentor' else classifier_figures(predictions)
