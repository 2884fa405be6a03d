"""Drawing of predictions with the visualizer of the config, before a test does it with all."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmengine.runner import Runner
from mmengine.visualization import Visualizer

from mmattn.engine.failures import SHOWN, cause
from mmattn.engine.hooks import DrawnNamesHook
from mmattn.errors import UserError

from .made_up import with_labels, with_pixels
from .unchanged import unchanged

# Names of classes that are drawn at most.
LABELS = 200


def check_drawing(runner: Runner, predictions: Sequence[object]) -> None:
    """Draws a prediction, with an object of every class, into a temporary folder.

    Args:
        runner: Runner with its visualizer.
        predictions: Data samples as the model returned them; none are drawn of models that are neither detectors,
            segmentors nor classifiers.

    Raises:
        UserError: It cannot be drawn: the name of a class or the palette do not fit, say.
    """
    for hook in runner.hooks:
        if isinstance(hook, DrawnNamesHook):
            hook.before_val(runner)
    draw = _drawer(runner.visualizer, predictions[0]) if predictions else None
    if draw is None:
        return
    classes = (runner.visualizer.dataset_meta or {}).get('classes') or ()
    labels = list(range(min(len(classes), LABELS)))
    with unchanged():
        error = _error(draw, labels)
        if error is None:
            return
        wrong = next((label for label in labels if _error(draw, [label]) is not None), None)
    which = f' of class {wrong} ({classes[wrong]!r})' if wrong is not None else ''
    raise UserError(
        f'a prediction{which} cannot be drawn with the visualizer of the config ({cause(error)}); correct '
        f'the metainfo of the data sets (classes, palette) or the visualizer ({SHOWN})'
    ) from error


def _error(draw: Callable, labels: list[int]) -> Exception | None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            draw(labels, Path(folder) / 'drawn.png')
        except Exception as error:  # noqa: BLE001  matplotlib and the visualizers raise anything
            return error
    return None


def _drawer(visualizer: Visualizer, sample: Any) -> Callable[[list[int], Path], None] | None:
    """The function that draws a sample with objects of these labels into a file; None for an unknown kind of sample."""
    if not hasattr(sample, 'get'):
        return None
    image = _image(sample)
    if hasattr(visualizer, 'visualize_cls') and sample.get('pred_score') is not None:

        def draw(labels: list[int], path: Path) -> None:
            for label in labels or [0]:
                visualizer.visualize_cls(image, sample.clone().set_pred_label(label), out_file=str(path))
    elif type(visualizer).add_datasample is not Visualizer.add_datasample and sample.get('pred_instances') is not None:

        def draw(labels: list[int], path: Path) -> None:
            visualizer.add_datasample(
                'drawn', image, with_labels(sample, labels), draw_gt=False, pred_score_thr=0.0, out_file=str(path)
            )
    elif type(visualizer).add_datasample is not Visualizer.add_datasample and sample.get('pred_sem_seg') is not None:

        def draw(labels: list[int], path: Path) -> None:
            drawn = with_pixels(sample, labels, image.shape[:2])
            visualizer.add_datasample('drawn', image, drawn, draw_gt=False, out_file=str(path))
    else:
        return None
    return draw


def _image(sample: Any) -> np.ndarray:
    """The image of a sample as mmdet's visualization hook reads it; without a path a grey one, (H, W, 3)."""
    path = sample.get('img_path')
    image = mmcv.imread(path, channel_order='rgb') if path else None
    height, width = sample.get('ori_shape', (64, 64))[:2]
    return np.full((height, width, 3), 127, np.uint8) if image is None else image
