"""Predictions of a segmentor on the images of a data set: how its pixels compare with the annotated ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import BaseDataset

from mmattn.errors import UserError

from .calibration import BINS, bin_sums
from .kept_labels import labels_file
from .pixels import border_errors, pixel_confusion, sparse
from .wrong_regions import wrong_regions


def compared_labels(batches: Iterable, dataset: BaseDataset, settings: dict, path: Path) -> dict:
    """Compares the label pictures that a segmentor predicts with the annotated ones, and keeps them.

    Args:
        batches: Batches as they are loaded, with the samples that the model returns for them.
        dataset: Data set of mmseg.
        settings: Of IoUMetric: 'ignored', the label that is ignored; 'nan', what NaN is replaced by, or None.
        path: Path of the zip that gets the label pictures.

    Returns:
        kind 'segmentor'; classes, their names; palette, their colours; images, names of the files; confusion, the cells
        of each image's confusion matrix as of `mmattn.analysis.evaluation.pixels.sparse`; borders, for each image the
        two numbers of `mmattn.analysis.evaluation.pixels.border_errors`; bins, the sums of all pixels' scores as of
        `mmattn.analysis.evaluation.calibration.bin_sums`; usual, sum and number of the scores of the right pixels of
        each class; regions, as of `mmattn.analysis.evaluation.wrong_regions`; settings, as they were given.

    Raises:
        UserError: There are no names of classes, no annotations, or some of another size than their image.
    """
    classes = (getattr(dataset, 'metainfo', None) or {}).get('classes')
    if not classes:
        raise UserError("the data set has no names of classes; give it metainfo=dict(classes=('one', …))")
    found: dict[str, list] = dict(images=[], confusion=[], borders=[], regions=[])
    bins, usual = np.zeros((3, BINS)), np.zeros((2, len(classes)))
    ignored = settings['ignored']
    with labels_file(path) as file:
        for _, samples in batches:
            for sample in samples:
                truth, predicted = (_labels_of(sample, name) for name in ('gt_sem_seg', 'pred_sem_seg'))
                place = str(sample.get('img_path', len(found['images'])))
                if truth.shape != predicted.shape:
                    raise UserError(
                        f"'{place}' and its label picture differ in size ({_size(predicted)} and {_size(truth)}); "
                        'correct one of them, or put LoadAnnotations behind Resize in the test pipeline'
                    )
                scores, right = _scores(sample), (truth == predicted) & (predicted < len(classes)) & (truth != ignored)
                bins += bin_sums(scores[truth != ignored], right[truth != ignored])
                usual += [np.bincount(predicted[right], weights, len(classes)) for weights in (scores[right], None)]
                regions = wrong_regions(len(found['images']), truth, predicted, scores, len(classes), ignored)
                file.add(predicted)
                found['images'].append(Path(place).name)
                found['confusion'].append(sparse(pixel_confusion(truth, predicted, len(classes), ignored)))
                found['borders'].append(border_errors(truth, predicted, ignored))
                found['regions'] += [region.as_list() for region in regions]
    palette = (getattr(dataset, 'metainfo', None) or {}).get('palette')
    return dict(
        kind='segmentor',
        classes=list(classes),
        palette=palette,
        settings=settings,
        bins=bins.tolist(),
        usual=usual.tolist(),
        **found,
    )


def _labels_of(sample, name: str) -> np.ndarray:
    data = sample.get(name)
    if data is None:
        what = 'label pictures (LoadAnnotations)' if name.startswith('gt') else 'predicted labels'
        raise UserError(
            f'the samples of the test pipeline have no {what}, so that there is nothing to compare; add them'
        )
    return data.data[0].cpu().numpy().astype(np.int64)


def _scores(sample) -> np.ndarray:
    """Score of the predicted class of each pixel from 0 to 1, (H, W), by the softmax of the logits; NaN without."""
    logits, predicted = sample.get('seg_logits'), sample.pred_sem_seg.data[0]
    if logits is None:
        return np.full(predicted.shape, np.nan)
    logits = logits.data.float()
    if len(logits) == 1:  # of one channel mmseg keeps the sigmoid
        return torch.where(predicted > 0, logits[0], 1 - logits[0]).cpu().numpy()
    return (logits - logits.amax(0)).exp_().sum(0).reciprocal_().cpu().numpy()


def _size(labels: np.ndarray) -> str:
    return f'{labels.shape[1]} × {labels.shape[0]}'
