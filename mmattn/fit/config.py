"""The config of a training as a short file that a person can read, change, and give to every tool."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mmattn.commands import PROGRAM
from mmattn.shipped import CONFIGS, ROOT

from .config_data import MOST_CLASSES, data_set, evaluated, flips, line, loader, number, workers
from .config_segmentor import segmentor_lines
from .settings import Settings
from .source_text import Name, assignment

BASES = CONFIGS / '_base_' / 'fit'
# Share of the iterations, but at most so many, in which the learning rate rises to its value.
RISE, MOST_RISE = 0.05, 500


def config_text(settings: Settings, path: Path, epochs: int, val_interval: int, iterations: int, seed: int) -> str:
    """The text of the config.

    Args:
        settings: What was decided.
        path: Path that the file will have, to which its base is relative.
        epochs: Number of epochs.
        val_interval: Number of epochs between two validations.
        iterations: Number of iterations of an epoch.
        seed: Seed of the training.
    """
    lines = [
        f'"""{settings.title}; by {PROGRAM} fit."""',
        assignment('_base_', _base(settings, path)),
        assignment('classes', _classes(settings)),
    ]
    lines += {'classes': _classifier, 'semantic': segmentor_lines}.get(settings.task, _detector)(settings)
    # A rise over one iteration would end where it began: mmengine takes no step at its end.
    rise = max(2, min(MOST_RISE, round(RISE * epochs * iterations)))
    optim: dict[str, Any] = dict(optimizer=dict(lr=settings['learning rate']))
    if settings['precision']:
        optim = dict(type='AmpOptimWrapper', loss_scale='dynamic', **optim)
    train = dict(max_epochs=epochs, val_interval=val_interval)
    lines += [
        '',
        assignment('train_cfg', train),
        assignment('optim_wrapper', optim),
        'param_scheduler = [',
        f"    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end={rise}),",
        f"    dict(type='CosineAnnealingLR', T_max={epochs}, by_epoch=True, convert_to_iter_based=True)]",
        assignment('auto_scale_lr', dict(base_batch_size=settings['batch'] * settings.processes)),
        *([assignment('randomness', dict(seed=seed))] if seed else []),
        'work_dir = "{{ fileDirname }}"',
    ]
    if settings['norm'] == 'frozen':
        lines.append("custom_hooks = [dict(type='mmattn.ResourceHook'), dict(type='mmattn.FoldNormsHook')]")
    return '\n'.join(lines) + '\n'


def _classes(settings: Settings) -> tuple[str, ...] | Name:
    """Names of the classes, or the file that holds them, where they would fill the config."""
    if len(settings.classes) <= MOST_CLASSES:
        return settings.classes
    return Name('"{{ fileDirname }}/data/classes.txt"')


def _base(settings: Settings, path: Path) -> str:
    kind = {'boxes': 'faster-rcnn', 'masks': 'mask-rcnn', 'semantic': 'segmentor', 'classes': 'classifier'}[
        settings.task
    ]
    base = BASES / f'{kind}_{settings.size}.py'
    place = path.resolve().parent
    # From elsewhere a relative path would break when the work folder is moved.
    return Path(os.path.relpath(base, place)).as_posix() if place.is_relative_to(ROOT) else base.as_posix()


def _detector(settings: Settings) -> list[str]:
    masks = settings.task == 'masks'
    anchors = settings['anchors']
    heads = dict(bbox_head=dict(num_classes=number(settings)))
    if masks:
        heads['mask_head'] = dict(num_classes=number(settings))
    model = dict(
        backbone=dict(_delete_=True, **settings.backbone),
        neck=dict(in_channels=list(settings.channels)),
        rpn_head=dict(anchor_generator=dict(scales=list(anchors.scales), ratios=list(anchors.ratios))),
        roi_head=heads,
    )
    objects = dict(type='LoadAnnotations', with_bbox=True, **(dict(with_mask=True) if masks else {}))
    resize = dict(type='Resize', scale=Name('image_size'), keep_ratio=True)
    vary = (
        resize
        if settings['size jitter'] is None
        else dict(type='RandomResize', scale=Name('image_size'), ratio_range=settings['size jitter'], keep_ratio=True)
    )
    steps = [Name('image'), Name('objects'), vary, *flips(settings), Name('pack')]
    metric = "['bbox', 'segm']" if masks else "'bbox'"
    evaluator = f"{{name}}_evaluator = dict(type='CocoMetric', metric={metric}, ann_file=data_root + '{{name}}.json')"
    return [
        assignment('image_size', settings['image size']),
        'data_root = "{{ fileDirname }}/data/"',
        '',
        assignment('model', model),
        '',
        "image, pack = dict(type='LoadImageFromFile'), dict(type='PackDetInputs')",
        assignment('objects', objects),
        assignment('train_pipeline', steps),
        assignment('test_pipeline', [Name('image'), resize, Name('objects'), Name('pack')]),
        data_set(settings),
        assignment(
            'train_dataloader',
            loader(settings, 'train', 'train_pipeline', 'json', batch_size=settings['batch'], **workers(settings)),
        ),
        *evaluated(settings, evaluator, 'json'),
    ]


def _classifier(settings: Settings) -> list[str]:
    side = settings['image size']
    count = len(settings.classes)
    topk = (1, 5) if count > 5 else (1,)
    model = dict(
        backbone=dict(settings.backbone),
        head=dict(in_channels=settings.channels[-1], num_classes=number(settings), topk=topk),
    )
    turn: dict[str, list[dict]] = {
        'none': [],
        'horizontal': [dict(type='RandomFlip', prob=0.5, direction='horizontal')],
        'all': [dict(type='RandomFlip', prob=[0.25, 0.25, 0.25], direction=['horizontal', 'vertical', 'diagonal'])],
    }
    steps = (
        dict(type='LoadImageFromFile'),
        dict(type='RandomResizedCrop', scale=side, crop_ratio_range=(0.6, 1.0)),
        dict(type='ColorJitter', brightness=0.3, contrast=0.3),
        *turn[settings['flips']],
    )
    drop = dict(drop_last=True) if settings['norm'] == 'BN' else {}
    return [
        'data_root = "{{ fileDirname }}/data/"',
        '',
        assignment('model', model),
        assignment('data_preprocessor', dict(num_classes=number(settings))),
        '',
        'train_pipeline = [',
        *(f'    {line(step)},' for step in steps),
        "    dict(type='PackInputs')]",
        'test_pipeline = [',
        "    dict(type='LoadImageFromFile'),",
        f'    {line(dict(type="ResizeEdge", scale=side, edge="short"))},',
        f'    {line(dict(type="CenterCrop", crop_size=side))},',
        "    dict(type='PackInputs')]",
        data_set(settings),
        assignment(
            'train_dataloader',
            loader(
                settings, 'train', 'train_pipeline', 'txt', batch_size=settings['batch'], **drop, **workers(settings)
            ),
        ),
        f"val_evaluator = dict(type='Accuracy', topk={topk!r})",
        *evaluated(settings, None, 'txt'),
    ]
