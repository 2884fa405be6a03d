"""Data sets as they were built: whether they hold anything, and the names of their classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dataset import InfiniteSampler
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmattn.data.text import few
from mmattn.engine.preflight import datasets_in
from mmattn.engine.quiet import silent
from mmattn.errors import UserError

from .annotations import check_command


def loaders_of(runner: Runner, splits: tuple[str, ...]) -> dict[str, DataLoader]:
    """The loaders that a runner has built, by split."""
    loops = {split: getattr(runner, f'_{split}_loop') for split in splits}
    return {split: loop.dataloader for split, loop in loops.items() if hasattr(loop, 'dataloader')}


def leaves(dataset: object) -> Iterator[object]:
    """The data sets inside wrappers such as RepeatDataset and ConcatDataset."""
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    if inner == [None]:
        yield dataset
        return
    for part in inner:
        yield from leaves(part)


def class_names(dataset: object, split: str) -> tuple | None:
    """Names of the classes of a data set, in the order of their labels; None where it does not know them.

    Raises:
        UserError: They are one text, or a detector's data set has names that are no text.
    """
    classes = (getattr(dataset, 'metainfo', None) or {}).get('classes')
    if classes is None:
        return None
    if isinstance(classes, str):
        raise UserError(
            f"metainfo.classes of the {split} data set is the text '{classes}', of which every letter "
            f"would be a class; write a tuple, with a comma: classes=('{classes}',)"
        )
    wrong = [name for name in classes if not isinstance(name, str)]
    if wrong and any(hasattr(leaf, 'cat2label') for leaf in leaves(dataset)):
        raise UserError(
            f'metainfo.classes of the {split} data set has {wrong[0]!r}, which is no text; write the names '
            f"as the annotations have them, in quotes: '{wrong[0]}'"
        )
    return tuple(classes)


def check_labels(loaders: dict[str, DataLoader], number: int | None) -> None:
    """Raises UserError if a classifier's data set without names of classes has labels beyond the outputs of its head.

    Args:
        loaders: Loaders by split.
        number: Number of classes of the head; None if it has none.
    """
    for split, loader in loaders.items():
        if number is None or class_names(loader.dataset, split) is not None:
            continue
        for leaf in leaves(loader.dataset):
            largest = max(_labels(leaf), default=-1)
            if largest >= number:
                raise UserError(
                    f'the {split} data set has the label {largest}, and the head {number} '
                    f'classes, 0 to {number - 1}; set model.head.num_classes, or correct the labels'
                )


def _labels(dataset: Any) -> Iterator[int]:
    """The labels of a classifier's data set, of images with several too; none where it has none, as a test set may."""
    if not hasattr(dataset, 'get_gt_labels'):
        return
    for index in range(len(dataset)):
        labels = dataset.get_data_info(index).get('gt_label', ())
        for label in labels if isinstance(labels, (list, tuple)) else [labels]:
            if isinstance(label, (int, np.integer)):
                yield int(label)


def check_classes(loaders: dict[str, DataLoader]) -> dict[str, tuple]:
    """Raises UserError if two splits have other classes, or the same in another order; returns the classes by split."""
    names = {
        split: classes
        for split, loader in loaders.items()
        if (classes := class_names(loader.dataset, split)) is not None
    }
    if len(names) > 1:
        (first, expected), *others = names.items()
        for split, classes in others:
            if classes != expected:
                raise UserError(_difference(first, expected, split, classes))
    return names


def _difference(first: str, expected: tuple, split: str, classes: tuple) -> str:
    if sorted(map(str, classes)) == sorted(map(str, expected)):
        what = 'the same classes in another order, and predictions would get wrong names'
    else:
        what = f'other classes ({few(classes)}) than the {first} data set ({few(expected)})'
    place = next(
        (i for i, (a, b) in enumerate(zip(expected, classes, strict=False)) if a != b), min(len(expected), len(classes))
    )
    return (
        f'the {split} data set has {what}; the first difference is class {place}: '
        f'{_name(expected, place)} in {first}, {_name(classes, place)} in {split}; set metainfo.classes alike in '
        'both, in the order of the annotation files'
    )


def _name(classes: tuple, place: int) -> str:
    return repr(classes[place]) if place < len(classes) else 'none'


def check_sizes(loaders: dict[str, DataLoader], cfg: Config, epochs: bool = True) -> None:
    """Raises UserError if a data set is empty, gives no batch, or, for training, holds no object."""
    for split, loader in loaders.items():
        dataset: Any = loader.dataset
        if not hasattr(dataset, '__len__'):
            continue  # an iterable data set of the user's own
        if len(dataset) == 0:
            raise UserError(why_empty(cfg, split) or f'the {split} data set is empty')
        if _drops(loader) and len(loader) == 0 and (epochs or split != 'train'):
            raise UserError(
                f'the {split} data set has {len(dataset)} images, fewer than one batch of '
                f'{loader.batch_size or "the batch sampler"}, and drop_last leaves them out; set '
                f'{split}_dataloader.drop_last=False or a smaller batch_size'
            )
    if 'train' in loaders and _without_objects(loaders['train'].dataset):
        raise UserError(
            "the train data set has no object of the config's classes to train on; look through the data "
            f'with: {check_command(cfg, "train")}'
        )


def _drops(loader: DataLoader) -> bool:
    drops = getattr(loader.batch_sampler, 'drop_last', loader.drop_last)
    return drops and not isinstance(getattr(loader.batch_sampler, 'sampler', loader.sampler), InfiniteSampler)


def why_empty(cfg: Config, split: str) -> str | None:
    """A line that names the setting that leaves no image of a split; None if there are any, or it cannot be told."""
    found = list(datasets_in(cfg.get(f'{split}_dataloader', {}).get('dataset'), f'{split}_dataloader.dataset'))
    lines = [_why_empty(key, settings) for key, settings in found]
    return lines[0] if lines and all(lines) else None


def _why_empty(key: str, settings: dict) -> str | None:
    try:
        with silent():
            dataset = DATASETS.build(dict(settings, lazy_init=True))
            dataset.data_list = dataset.load_data_list()
    except Exception:  # noqa: BLE001  why it cannot be built is said elsewhere
        return None
    if not dataset.data_list:
        return f'{key} has no images: {dataset.ann_file or dataset.data_prefix}; name other annotations or images'
    filters = dataset.filter_cfg or {}
    for part in [{name: value} for name, value in filters.items()] + [filters]:
        dataset.filter_cfg = part
        if part and not dataset.filter_data():
            named = ', '.join(f'{name}={value}' for name, value in part.items())
            return (
                f'all {len(dataset.data_list)} images of {key} are left out by filter_cfg {named}; change it there'
                f'{_why_filtered(part)}'
            )
    return None


def _why_filtered(part: dict) -> str:
    if 'min_size' in part:
        return ' (no image has this width and height, as the annotations state them)'
    return " (no image has an object of the config's classes)" if part.get('filter_empty_gt') else ''


def _without_objects(dataset: Any) -> bool:
    """Whether a data set of a detector holds no object in any image; False where it does not say what it holds."""
    if not hasattr(dataset, 'get_data_info'):
        return False
    for index in range(len(dataset)):
        instances = dataset.get_data_info(index).get('instances')
        if instances is None or any(not each.get('ignore_flag') for each in instances):
            return False
    return True
