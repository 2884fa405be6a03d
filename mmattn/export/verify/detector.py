"""Comparison of an exported detector with its model: detections that pair up, and AP."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mmengine.config import Config

from mmattn.analysis.evaluation.coco_evaluator import evaluated
from mmattn.engine.progress import progress
from mmattn.errors import UserError
from mmattn.export.runner import Exported, read

from .pictures import demo_pictures, spread, validation_set
from .reference import Reference
from .tolerances import IOU, SCORE, Tolerance
from .verification import Check, Verification

KINDS = {'bbox': 'box', 'segm': 'mask'}


@dataclass
class _Count:
    detections: int = 0
    paired: int = 0
    mask_pixels: int = 0
    common_pixels: int = 0
    results: dict[str, tuple[list, list]] = field(default_factory=dict)


def verify_detector(
    cfg: Config, model: Any, exported: Exported, tolerance: Tolerance, limit: int | None
) -> Verification:
    """Compares detections on validation images with AP or, where they are not there, on images of the demo without.

    Args:
        cfg: Config of the model.
        model: Detector in eval mode.
        exported: The file.
        tolerance: How much they may differ.
        limit: Largest number of validation images; None: all.
    """
    reference, notes = Reference(cfg, model, exported.info['resized']), []
    dataset: Any = None
    source = 'validation images'
    try:
        dataset = validation_set(cfg)
    except UserError as error:
        source = 'images of the demo'
        notes.append(f'AP was not compared: {error}')
    categories: Any = getattr(dataset, 'cat_ids', None)  # of data sets in COCO's form
    if dataset is not None and categories is None:
        notes.append(f'AP was not compared: {type(dataset).__name__} has no annotations in COCO form')
    images = list(_images(dataset, limit))
    count = _Count()
    for image_id, path in progress(images, 'comparing'):
        pixels = read(path)
        wanted, found = reference.objects(pixels), exported.run(pixels[None])
        count.detections += len(wanted['boxes']) + len(found['boxes'])
        partners = pairs(wanted, found)
        count.paired += 2 * len(partners)
        if 'masks' in wanted:
            for one, other in partners:
                masks = wanted['masks'][one], found['masks'][other]
                count.mask_pixels += int((masks[0] | masks[1]).sum())
                count.common_pixels += int((masks[0] & masks[1]).sum())
        for side, objects in enumerate((wanted, found) if categories is not None else ()):
            _collect(count.results, side, image_id, objects, categories)
    share = count.paired / count.detections if count.detections else 1.0
    what = f'detections that pair up (class, IoU >= {IOU}, score within {SCORE:g}; {count.detections // 2} in each)'
    checks = [Check(what, share, tolerance.pairs, least=True)]
    if count.mask_pixels:
        overlap = count.common_pixels / count.mask_pixels
        checks.append(Check('IoU of all masks of these', overlap, tolerance.pairs, least=True))
    if not count.detections:
        notes.append(
            'nothing was detected in these images, so the file is as good as not compared: give trained weights'
        )
    for kind, results in count.results.items():
        ids = [image_id for image_id, _ in images]
        values = [_ap(dataset, one, kind, ids) for one in results]
        name = f'{KINDS[kind]} AP {values[0]:.4f} and {values[1]:.4f}, difference'
        checks.append(Check(name, abs(values[0] - values[1]), tolerance.metric))
    return Verification(checks, len(images), source, notes)


def pairs(wanted: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> list[tuple[int, int]]:
    """Indices of detections that are partners, each of at most one: of the same class, place and score.

    Args:
        wanted: Boxes, scores and labels of the one.
        found: Those of the other.
    """
    if not len(wanted['boxes']) or not len(found['boxes']):
        return []
    near = (
        (wanted['labels'][:, None] == found['labels'])
        & (np.abs(wanted['scores'][:, None] - found['scores']) <= SCORE)
        & (_overlaps(wanted['boxes'], found['boxes']) >= IOU)
    )
    free, partners = np.ones(len(found['boxes']), bool), []
    for index, row in enumerate(near):
        candidates = np.flatnonzero(row & free)
        if len(candidates):
            free[candidates[0]] = False
            partners.append((index, int(candidates[0])))
    return partners


def _overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """IoU of each box with each, (N, M); of two boxes alike 1, also where they have no area."""
    first, second = first.astype(np.float64)[:, None], second.astype(np.float64)[None]
    sides = (np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])).clip(0)
    common = sides.prod(-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).clip(0).prod(-1) for boxes in (first, second)]
    union = areas[0] + areas[1] - common
    alike = np.abs(first - second).max(-1) < 1e-3
    return np.where(union > 0, common / np.where(union > 0, union, 1), alike)


def _images(dataset: Any, limit: int | None) -> Iterator[tuple[int, str]]:
    if dataset is None:
        pictures = demo_pictures()
        yield from ((index, str(pictures[index])) for index in spread(len(pictures), limit))
        return
    for index in spread(len(dataset), limit):
        info = dataset.get_data_info(index)
        yield info['img_id'], info['img_path']


def _collect(
    results: dict[str, tuple[list, list]], side: int, image_id: int, objects: dict, categories: Iterable[int]
) -> None:
    """Adds detections in COCO's form to those of one side; not those of classes that the annotations do not have."""
    from pycocotools import mask as coco_mask

    categories = list(categories)
    for index, (box, score, label) in enumerate(zip(objects['boxes'], objects['scores'], objects['labels'])):
        if label >= len(categories):
            continue
        x1, y1, x2, y2 = map(float, box)
        entry = dict(image_id=image_id, category_id=categories[label], score=float(score))
        boxes = results.setdefault('bbox', ([], []))
        boxes[side].append(dict(entry, bbox=[x1, y1, x2 - x1, y2 - y1]))
        if 'masks' in objects:
            encoded = coco_mask.encode(np.asfortranarray(objects['masks'][index].astype(np.uint8)))
            results.setdefault('segm', ([], []))[side].append(dict(entry, segmentation=encoded))


def _ap(dataset: Any, results: list[dict], kind: str, images: list[int]) -> float:
    if not results:
        return 0.0
    return float(evaluated(dataset.ann_file, results, kind, images, dataset.cat_ids).stats[0])
