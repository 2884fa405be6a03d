"""Annotations of an evaluator against the data set whose predictions it judges."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.evaluator import Evaluator

from mmattn.errors import UserError

from .samples import spread

# Images that are compared, spread over the data set.
COMPARED = 500
# Boxes of data set and evaluator may differ by what rounding does; in pixels.
TOLERANCE = 1.0


def check_annotations_of(evaluator: Evaluator, dataset: BaseDataset, split: str, cfg: Config) -> Iterator[str]:
    """Compares what mmdet's CocoMetric reads from its own file with the data set.

    Args:
        evaluator: Evaluator of the split.
        dataset: Data set of the split.
        split: 'val' or 'test'.
        cfg: Config, for the keys of the messages.

    Yields:
        Lines on what is no error, but lowers AP, or leaves none.

    Raises:
        UserError: The file is of other images, other objects or other classes, or mAP would be -1 whatever the model.
    """
    for index, metric in enumerate(evaluator.metrics):
        several = isinstance(cfg.get(f'{split}_evaluator'), (list, tuple))
        key = f'{split}_evaluator.{index}' if several else f'{split}_evaluator'
        _check_limits(metric, key)
        coco = getattr(metric, '_coco_api', None)
        if coco is None or not hasattr(dataset, 'get_data_info'):
            continue
        settings = cfg.get(f'{split}_evaluator')
        settings = settings[index] if several else settings
        path = settings.get('ann_file', '') if isinstance(settings, dict) else ''
        hint = f'set --cfg-options {key}.ann_file= to the file of the {split} data set'
        where = f'{key}.ann_file ({path})'
        _check_images(coco, dataset, where, hint)
        _check_classes(coco, dataset, where, hint)
        if not getattr(metric, 'format_only', False) and all(each.get('iscrowd') for each in coco.anns.values()):
            what = 'crowds alone' if coco.anns else 'no objects'
            yield (
                f'{where} has {what}: there is nothing to judge predictions by, and AP will be -1; for predictions '
                'alone set format_only=True and an outfile_prefix'
            )
        more = len(coco.imgs) - len(dataset)
        if more > 0:
            yield (
                f'{where} has {len(coco.imgs)} images, and the {split} data set {len(dataset)} of them: the others '
                'count as images without predictions, and AP will be too low'
            )


def _check_limits(metric: Any, key: str) -> None:
    """pycocotools takes mAP with 100 detections an image, and gives -1 where these are none of the limits."""
    limits, items = getattr(metric, 'proposal_nums', None), getattr(metric, 'metric_items', None)
    if type(metric).__name__ != 'CocoMetric' or limits is None or 100 in limits or metric.use_mp_eval:
        return
    if {'bbox', 'segm'}.intersection(metric.metrics) and (items is None or 'mAP' in items):
        raise UserError(
            f'{key}.proposal_nums is {tuple(limits)}, without 100, and mAP, which is taken with 100 '
            f'detections, would be -1; set --cfg-options {key}.proposal_nums="(1,10,100)", or metric_items '
            'without mAP'
        )


def _check_images(coco: Any, dataset: BaseDataset, where: str, hint: str) -> None:
    compared = agreeing = 0
    for index in spread(len(dataset), COMPARED):
        info = dataset.get_data_info(index)
        identifier, path = info.get('img_id'), str(info.get('img_path', ''))
        if identifier not in coco.imgs:
            raise UserError(
                f'{where} has no image with id {identifier}, which is {path}: it is of other images; {hint}'
            )
        image = coco.imgs[identifier]
        name = str(image.get('file_name') or '')
        if name and path and not _same_image(name, path):
            raise UserError(
                f"{where} has '{name}' as image {identifier}, and the data set {path}: it is of other images; {hint}"
            )
        sizes = [tuple(each.get(side) for side in ('width', 'height')) for each in (image, info)]
        if None not in sizes[0] + sizes[1] and sizes[0] != sizes[1]:
            raise UserError(
                f'{where} has image {identifier} ({name}) with {sizes[0][0]} x {sizes[0][1]} pixels, and '
                f'the data set with {sizes[1][0]} x {sizes[1][1]}: it is of other images; {hint}'
            )
        theirs = [each['bbox'] for each in coco.imgToAnns.get(identifier, ()) if each.get('bbox')]
        ours = [each['bbox'] for each in info.get('instances') or () if 'bbox' in each]
        if theirs and ours:
            compared += 1
            agreeing += any(_same_box(x, y) for x in theirs for y in ours)
    if compared and not agreeing:
        raise UserError(
            f'{where} has other objects in all of {compared} images than the data set: it is of another '
            f'annotation of them, or of other images; {hint}'
        )


def _same_image(name: str, path: str) -> bool:
    """Whether a path may end in this file name; folders count as far as both have them, and extensions do not."""
    ours, theirs = (PurePosixPath(each.replace('\\', '/')).with_suffix('').parts for each in (name, path))
    return ours[-1:] == theirs[-1:]


def _same_box(ours: list, theirs: list) -> bool:
    x1, y1, x2, y2 = theirs
    return all(abs(a - b) <= TOLERANCE for a, b in zip(ours, (x1, y1, x2 - x1, y2 - y1), strict=True))


def _check_classes(coco: Any, dataset: BaseDataset, where: str, hint: str) -> None:
    """A label is the place of a class in the data set's classes, and of its category in the evaluator's file."""
    classes = (getattr(dataset, 'metainfo', None) or {}).get('classes')
    if not classes:
        return
    names = [coco.cats[identifier]['name'] for identifier in coco.get_cat_ids(cat_names=list(classes))]
    if names != list(classes):
        place = next(
            (i for i, (a, b) in enumerate(zip(classes, names, strict=False)) if a != b), min(len(classes), len(names))
        )
        theirs = repr(names[place]) if place < len(names) else 'none'
        ours = repr(classes[place]) if place < len(classes) else 'none'
        raise UserError(
            f"{where} has {theirs} where the data set's class {place} is {ours}, so predictions would be "
            f'judged as another class; its categories must be the classes, in their order: {hint}'
        )
