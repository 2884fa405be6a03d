"""Predictions of a test as files, written when all images are done and before anything is evaluated.

They are metrics to mmengine, whose evaluator collects what several processes predict, in the order of the data set.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine import dump
from mmengine.evaluator import BaseMetric, DumpResults
from PIL import Image

from mmattn.engine.kinds import Kind
from mmattn.errors import UserError
from mmattn.files import atomic_path, unique_names, write_text

# What of a segmentor's data sample is not written: a score for each class and pixel, and the annotation.
LEFT_OUT = ('seg_logits', 'i_seg_logits', 'gt_sem_seg')


def pickled_predictions(path: Path, kind: Kind) -> DumpResults:
    """Writes a pickle as mmdet's and mmpretrain's own tools do, with a dict for each image, for their analysis tools.

    Masks of detectors are compressed (RLE), and annotations left out, as mmdet does. Of segmentors the labels are
    written, in 8 bits where these are enough, without scores and annotations.

    Args:
        path: Path of the file, which ends with .pkl or .pickle.
        kind: Kind of the model.
    """
    base: Any = DumpResults
    if kind == 'detector':
        from mmdet.evaluation import DumpDetResults

        base = DumpDetResults

    class Pickled(base):
        def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
            if kind == 'segmentor':
                data_samples = [_labels_alone(sample) for sample in data_samples]
            super().process(data_batch, data_samples)

        def compute_metrics(self, results: list) -> dict:
            with atomic_path(self.out_file_path) as temporary:
                dump(results, str(temporary))
            return {}

    return Pickled(str(path))


def _labels_alone(sample: dict) -> dict:
    kept = {name: value for name, value in sample.items() if name not in LEFT_OUT}
    if 'pred_sem_seg' in kept:
        labels = kept['pred_sem_seg']['data']
        small = not labels.is_floating_point() and int(labels.min()) >= 0 and int(labels.max()) < 256
        kept['pred_sem_seg'] = {**kept['pred_sem_seg'], 'data': labels.to(torch.uint8) if small else labels}
    return kept


class LabelPictures(BaseMetric):
    """Writes the predicted labels of each image as a picture for benchmarks' servers and mmsegmentation's own tools.

    A picture has one channel of 8 bits and the name of the image, with a number where that is taken. Where the data set
    leaves the label 0 of its annotations out (``reduce_zero_label``), labels are written as the annotations have them,
    one more than the model's.

    Args:
        folder: Folder of the pictures.
        images: Paths of all images of the test, in the order of the data set.
    """

    default_prefix = 'label_pictures'

    def __init__(self, folder: Path, images: Sequence[str]) -> None:
        super().__init__()
        self.folder = folder
        self._names = dict(zip(images, unique_names(Path(path).stem for path in images)))
        folder.mkdir(parents=True, exist_ok=True)

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            labels = _array(sample['pred_sem_seg']['data']).squeeze(0) + bool(sample.get('reduce_zero_label'))
            path = self.folder / f'{self._names[sample["img_path"]]}.png'
            Image.fromarray(labels.astype(np.uint8)).save(path)

    def compute_metrics(self, results: list) -> dict:
        return {}

    def evaluate(self, size: int) -> dict:
        return {}  # nothing is collected, of which mmengine would warn


class CocoResults(BaseMetric):
    """Writes COCO's result lists, which pycocotools and COCO's server read.

    Args:
        paths: Path of the file by kind of the results, 'bbox' or 'segm'.
        categories: Id of each class in the annotations, in order of the labels.
    """

    def __init__(self, paths: dict[str, Path], categories: Sequence[int]) -> None:
        super().__init__()
        self.paths = paths
        self.categories = list(categories)

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            found = sample['pred_instances']
            if 'img_id' not in sample:
                raise UserError(
                    "COCO's result lists need the ids of the images; have the pipeline's PackDetInputs "
                    "keep them: meta_keys=('img_id', …)"
                )
            corners = _array(found['bboxes']).reshape(-1, 4)
            boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
            common = [
                dict(image_id=sample['img_id'], category_id=self.categories[label])
                for label in _array(found['labels']).tolist()
            ]
            lists = {
                'bbox': [
                    dict(one, bbox=box, score=score)
                    for one, box, score in zip(common, boxes.tolist(), _array(found['scores']).tolist(), strict=True)
                ]
            }
            if 'segm' in self.paths and 'masks' in found:
                scores = _array(found.get('mask_scores', found['scores'])).tolist()
                lists['segm'] = [
                    dict(one, segmentation=mask, score=score)
                    for one, mask, score in zip(common, _encoded(found['masks']), scores, strict=True)
                ]
            self.results.append({kind: lists.get(kind, []) for kind in self.paths})

    def compute_metrics(self, results: list) -> dict:
        for kind, path in self.paths.items():
            write_text(json.dumps([one for image in results for one in image[kind]]), path)
        return {}


def _array(values: torch.Tensor | np.ndarray) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


def _encoded(masks: torch.Tensor | np.ndarray | list) -> list[dict]:
    """Masks as compressed RLE, whose counts are text."""
    from mmdet.structures.mask import encode_mask_results

    masks = masks if isinstance(masks, list) else encode_mask_results(_array(masks))
    return [
        dict(mask, counts=mask['counts'].decode() if isinstance(mask['counts'], bytes) else mask['counts'])
        for mask in masks
    ]
