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

from mmattn.errors import UserError
from mmattn.files import atomic_path, write_text


def pickled_predictions(path: Path, detector: bool) -> DumpResults:
    """Writes a pickle as mmdet's and mmpretrain's own tools do, with a dict for each image, for their analysis tools.

    Args:
        path: Path of the file, which ends with .pkl or .pickle.
        detector: Whether masks are to be compressed (RLE), and annotations left out, as mmdet does.
    """
    kind: Any = DumpResults
    if detector:
        from mmdet.evaluation import DumpDetResults

        kind = DumpDetResults

    class Pickled(kind):
        def compute_metrics(self, results: list) -> dict:
            with atomic_path(self.out_file_path) as temporary:
                dump(results, str(temporary))
            return {}

    return Pickled(str(path))


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
