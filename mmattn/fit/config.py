"""The config of a training as a short file that a person can read, change, and give to every tool."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mmattn.commands import PROGRAM
from mmattn.shipped import CONFIGS, ROOT

from .settings import Settings
from .source_text import Name, assignment

BASES = CONFIGS / '_base_' / 'fit'
# Share of the iterations, but at most so many, in which the learning rate rises to its value.
RISE, MOST_RISE = 0.05, 500
# Names of classes that the config lists itself.
MOST_CLASSES = 12


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
    detector = settings.task != 'classes'
    lines = [
        f'"""{settings.title}; by {PROGRAM} fit."""',
        assignment('_base_', _base(settings, path)),
        assignment('classes', _classes(settings)),
    ]
    lines += _detector(settings) if detector else _classifier(settings)
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


def _number(settings: Settings) -> object:
    count = len(settings.classes)
    return Name('len(classes)') if count <= MOST_CLASSES else count


def _base(settings: Settings, path: Path) -> str:
    kind = {'boxes': 'faster-rcnn', 'masks': 'mask-rcnn', 'classes': 'classifier'}[settings.task]
    base = BASES / f'{kind}_{settings.size}.py'
    place = path.resolve().parent
    # From elsewhere a relative path would break when the work folder is moved.
    return Path(os.path.relpath(base, place)).as_posix() if place.is_relative_to(ROOT) else base.as_posix()


def _loader(settings: Settings, part: str, pipeline: str, suffix: str, **options: object) -> dict:
    found: dict[str, Any] = {'**': Name('dataset'), 'ann_file': f'{part}.{suffix}', 'pipeline': Name(pipeline)}
    if not _shared(settings):
        found['data_prefix'] = _prefix(settings, part)
    return dict(**options, dataset=found)


def _shared(settings: Settings) -> bool:
    """Whether the images of all parts are in one folder."""
    return len(set(settings.roots.values())) == 1


def _prefix(settings: Settings, part: str) -> dict:
    key = 'img_path' if settings.task == 'classes' else 'img'
    return {key: settings.roots[part].resolve().as_posix().rstrip('/') + '/'}


def _dataset(settings: Settings) -> str:
    """What the data sets of all parts have in common."""
    classes = dict(classes=Name('classes'))
    found = dict(data_root=Name('data_root'), metainfo=classes)
    if _shared(settings):
        found['data_prefix'] = _prefix(settings, 'train')
    return assignment('dataset', found)


def _evaluated(settings: Settings, evaluator: str | None, suffix: str) -> list[str]:
    """Loaders and evaluators of validation and test; the test reads the validation part where there is no other."""
    val = [assignment('val_dataloader', _loader(settings, 'val', 'test_pipeline', suffix, **_workers(settings)))]
    if evaluator:
        val.append(evaluator.format(name='val'))
    if 'test' not in settings.roots:
        return [*val, 'test_dataloader, test_evaluator = val_dataloader, val_evaluator']
    test = [assignment('test_dataloader', _loader(settings, 'test', 'test_pipeline', suffix, **_workers(settings)))]
    test.append(evaluator.format(name='test') if evaluator else 'test_evaluator = val_evaluator')
    return [*val, *test]


def _workers(settings: Settings) -> dict:
    return dict(num_workers=settings.workers, persistent_workers=True) if settings.workers else {}


def _detector(settings: Settings) -> list[str]:
    masks = settings.task == 'masks'
    anchors = settings['anchors']
    heads = dict(bbox_head=dict(num_classes=_number(settings)))
    if masks:
        heads['mask_head'] = dict(num_classes=_number(settings))
    model = dict(
        backbone=dict(_delete_=True, **settings.backbone),
        neck=dict(in_channels=list(settings.channels)),
        rpn_head=dict(anchor_generator=dict(scales=list(anchors.scales), ratios=list(anchors.ratios))),
        roi_head=heads,
    )
    objects = dict(type='LoadAnnotations', with_bbox=True, **(dict(with_mask=True) if masks else {}))
    flip = {
        'none': [],
        'horizontal': [dict(type='RandomFlip', prob=0.5)],
        'all': [dict(type='RandomFlip', prob=0.75, direction=['horizontal', 'vertical', 'diagonal'])],
    }
    resize = dict(type='Resize', scale=Name('image_size'), keep_ratio=True)
    vary = (
        resize
        if settings['size jitter'] is None
        else dict(type='RandomResize', scale=Name('image_size'), ratio_range=settings['size jitter'], keep_ratio=True)
    )
    steps = [Name('image'), Name('objects'), vary, *flip[settings['flips']], Name('pack')]
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
        _dataset(settings),
        assignment(
            'train_dataloader',
            _loader(settings, 'train', 'train_pipeline', 'json', batch_size=settings['batch'], **_workers(settings)),
        ),
        *_evaluated(settings, evaluator, 'json'),
    ]


def _classifier(settings: Settings) -> list[str]:
    side = settings['image size']
    count = len(settings.classes)
    topk = (1, 5) if count > 5 else (1,)
    model = dict(
        backbone=dict(settings.backbone),
        head=dict(in_channels=settings.channels[-1], num_classes=_number(settings), topk=topk),
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
        assignment('data_preprocessor', dict(num_classes=_number(settings))),
        '',
        'train_pipeline = [',
        *(f'    {_line(step)},' for step in steps),
        "    dict(type='PackInputs')]",
        'test_pipeline = [',
        "    dict(type='LoadImageFromFile'),",
        f'    {_line(dict(type="ResizeEdge", scale=side, edge="short"))},',
        f'    {_line(dict(type="CenterCrop", crop_size=side))},',
        "    dict(type='PackInputs')]",
        _dataset(settings),
        assignment(
            'train_dataloader',
            _loader(
                settings, 'train', 'train_pipeline', 'txt', batch_size=settings['batch'], **drop, **_workers(settings)
            ),
        ),
        f"val_evaluator = dict(type='Accuracy', topk={topk!r})",
        *_evaluated(settings, None, 'txt'),
    ]


def _line(step: dict) -> str:
    return assignment('step', step).removeprefix('step = ')
