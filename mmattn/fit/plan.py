"""Decides on all settings of a training, one after another, as each follows from those before it."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from mmattn.analysis.runs.history import duration
from mmattn.data.formats.part import Part
from mmattn.data.formats.source import Source
from mmattn.data.write_labels import Written
from mmattn.errors import UserError

from . import backbones, batch, length
from .anchors import choose_anchors
from .choice import Choice
from .image_size import (
    choose_jitter,
    choose_patch,
    classifier_size,
    detector_size,
    segmentor_jitter,
    segmentor_size,
)
from .settings import Options, Settings
from .timing import Times
from .weights import check_fit, choose_weights

TASKS = {'boxes': 'Faster R-CNN', 'masks': 'Mask R-CNN', 'semantic': 'DeepLabV3+', 'classes': 'Classifier'}
KINDS = {'boxes': 'detector', 'masks': 'detector', 'semantic': 'segmentor', 'classes': 'classifier'}
# What the annotations of a data set permit, the first of which is the default.
PERMITTED = {
    'masks': ('masks', 'boxes', 'semantic'),
    'boxes': ('boxes',),
    'semantic': ('semantic',),
    'classes': ('classes',),
}
# Minutes that all takes by default on a CPU, and with a GPU.
MINUTES = {'cpu': 15, 'cuda': 60}


def choose_task(source: Source, wanted: str | None) -> str:
    """The task of a data set: what its annotations permit, or less.

    Raises:
        UserError: The annotations do not permit it.
    """
    permitted = PERMITTED[source.task]
    if wanted is not None and wanted not in permitted:
        has = 'label pictures' if source.task == 'semantic' else source.task
        raise UserError(
            f'--task {wanted} needs other annotations: {source.path} has {has}, which permit {" or ".join(permitted)}'
        )
    return wanted or permitted[0]


def choose_settings(
    source: Source,
    parts: Mapping[str, Part],
    options: Options,
    device: batch.Device,
    pictures: Written | None = None,
) -> Settings:
    """All settings but the length of the training.

    Args:
        source: The data set.
        parts: Its parts 'train', 'val' and, where there is one, 'test'.
        options: What the command line asks for.
        device: What the training runs on.
        pictures: Its label pictures, for semantic segmentation.

    Raises:
        UserError: An option does not fit the data set.
    """
    task = choose_task(source, options.task)
    kind = KINDS[task]
    size = options.size or ('thin' if device.memory is None else 'full')
    backbone = backbones.read(options.backbone)
    train = parts['train']
    settings = Settings(
        task,
        size,
        f'{TASKS[task]} with {options.backbone} ({size}): {len(train.images)} images to train, '
        f'{len(parts["val"].images)} to validate',
        pictures.classes if pictures else source.classes,
        {name: part.root for name, part in parts.items()},
        workers=_workers(device),
        processes=device.count,
        pictures=pictures,
    )
    choose = settings.choose
    choose(
        Choice(
            'network',
            options.backbone,
            'as asked for' if options.size else f'for a {device.name}',
            f'{TASKS[task]}, {options.backbone}, {size}',
        )
    )
    if source.task in ('boxes', 'masks'):
        _check_objects(parts)
    _choose_size(settings, train, options, kind, size)
    weights = choose(choose_weights(options.weights, backbone, size))
    mixed = choose(batch.choose_precision(device))
    side = settings['patches' if kind == 'segmentor' else 'image size']
    pixels = side * side if kind == 'classifier' else side[0] * side[1]
    images = choose(
        _asked('batch', options.batch) or batch.choose_batch(kind, size, pixels, len(train.images), device, mixed)
    )
    norm = choose(batch.choose_norm(weights is not None and size == 'full', images, kind))
    choose(_asked('learning rate', options.rate) or batch.choose_rate(kind, size, images, device))
    if kind == 'detector':
        factors = _factors(train, side)
        boxes = [np.array(each['bbox']) * factors[each['image_id']] for each in _objects(train)]
        choose(choose_anchors(np.array(boxes), options.seed))
        choose(
            choose_jitter(
                [(box[2] * box[3]) ** 0.5 for box in boxes], [each['category_id'] for each in _objects(train)]
            )
        )
    choose(
        Choice(
            'flips',
            options.flips,
            'as asked for'
            if options.flips != 'horizontal'
            else 'mirrored at random; --flips all, where objects have no upper side',
        )
    )
    settings.backbone = _backbone(backbone, settings, kind, size, norm, weights)
    settings.channels = tuple(backbones.channels(settings.backbone))
    return settings


def _objects(part: Part) -> list[dict]:
    """The annotations that are learnt from."""
    return [each for each in part.annotations if not each['iscrowd']]


def _check_objects(parts: Mapping[str, Part]) -> None:
    """Raises UserError if there is no object to learn from, or none to compare with after the training."""
    if not _objects(parts['train']):
        raise UserError('the training images have no objects to learn from; add annotations')
    if not _objects(parts['val']):
        raise UserError(
            'the validation images have no objects to compare with; annotate more images, or move images '
            'with objects there'
        )


def _factors(part: Part, size: tuple[int, int]) -> dict[int, float]:
    """Factor by which each image is resized to fit into a size (width, height), by its id; as mmdet's Resize does."""
    return {
        image['id']: min(
            max(size) / max(image['width'], image['height']), min(size) / min(image['width'], image['height'])
        )
        for image in part.images
    }


def _choose_size(settings: Settings, train: Part, options: Options, kind: str, size: str) -> None:
    extents = [(image['width'], image['height']) for image in train.images]
    width, height = np.median(np.array(extents), axis=0)
    if kind == 'classifier':
        settings.choose(_asked('image size', options.image_size) or classifier_size(extents, size))
        return
    if options.image_size:
        scale = options.image_size / max(width, height)
        chosen = (max(32, round(width * scale)), max(32, round(height * scale)))
        settings.choose(Choice('image size', chosen, 'as asked for', f'{chosen[0]} x {chosen[1]}'))
    elif kind == 'segmentor':
        settings.choose(segmentor_size(extents, size))
    else:
        objects, factors = _objects(train), _factors(train, (width, height))
        roots = [factors[each['image_id']] * (each['bbox'][2] * each['bbox'][3]) ** 0.5 for each in objects]
        settings.choose(detector_size(extents, roots, [each['category_id'] for each in objects], size))
    if kind == 'segmentor':
        settings.choose(choose_patch(settings['image size'], size))
        settings.choose(segmentor_jitter(size))


def _asked(name: str, value: object) -> Choice | None:
    return None if value is None else Choice(name, value, 'as asked for')


def _workers(device: batch.Device) -> int:
    """Processes that load images beside each GPU; a network on a CPU needs all its cores itself."""
    return 0 if device.memory is None else max(1, min(8, (os.cpu_count() or 1) // device.count - 1))


def _backbone(backbone: dict, settings: Settings, kind: str, size: str, norm: str, weights: dict | None) -> dict:
    if kind == 'segmentor':
        backbone = backbones.for_pixels(backbone, weights is not None)
    if weights is not None and size == 'full':
        found = dict(backbone)
        if str(weights['checkpoint']).startswith('torchvision://'):
            found = backbones.with_identity_start(backbone)
        found.update(init_cfg=weights, norm_eval=norm == 'frozen')
        if kind == 'detector':
            found['frozen_stages'] = 1
        check_fit(found, weights)
        return _outputs(found, kind)
    if size == 'thin' and kind == 'classifier' and settings['image size'] <= 96:
        # Two blocks in each of three stages: the fourth would see too little of so small an image.
        backbone = {**backbone, 'depth': None, 'stage_blocks': (2, 2, 2)}
    found = (backbones.thin if size == 'thin' else backbones.full)(backbone, norm)
    if weights is not None:
        found['init_cfg'] = weights
        check_fit(found, weights)
    return _outputs(found, kind)


def _outputs(backbone: dict, kind: str) -> dict:
    if kind != 'classifier':
        return backbone
    stages = len(backbone.get('stage_blocks') or range(4))
    return {**backbone, 'out_indices': (stages - 1,)}


def choose_length(settings: Settings, options: Options, device: batch.Device, times: Times, spent: float) -> None:
    """Chooses the number of epochs.

    Args:
        settings: What was decided so far.
        options: What the command line asks for.
        device: What the training runs on.
        times: Measured times of the training.
        spent: Seconds that have passed since the start, to be counted.
    """
    if options.epochs:
        settings.choose(length.epochs_asked(options.epochs, times))
        return
    minutes = options.minutes or MINUTES['cpu' if device.memory is None else 'cuda']
    choice = length.epochs_in(times, 60 * minutes - spent)
    settings.choose(Choice(choice.name, choice.value, f'of {duration(60 * minutes)}; {choice.reason}', choice.shown))
