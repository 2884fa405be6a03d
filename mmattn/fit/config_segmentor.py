"""The lines of a segmentor's config: DeepLabV3+ of mmsegmentation, on the label pictures that were written for it."""

from __future__ import annotations

from .config_data import MOST_CLASSES, data_set, evaluated, flips, loader, number, workers
from .settings import Settings
from .source_text import Name, assignment


def segmentor_lines(settings: Settings) -> list[str]:
    """The lines on model and data.

    Args:
        settings: What was decided, with label pictures.
    """
    assert settings.pictures is not None
    width, height = settings['patches']
    norm = dict(norm_cfg=dict(_delete_=True, type='BN')) if settings['norm'] == 'BN' else {}
    drop = dict(drop_last=True) if norm else {}
    heads = dict(num_classes=number(settings), **norm)
    model = dict(
        data_preprocessor=dict(size=Name('patch')),
        backbone=dict(_delete_=True, **settings.backbone),
        decode_head=dict(in_channels=settings.channels[-1], c1_in_channels=settings.channels[0], **heads),
        auxiliary_head=dict(in_channels=settings.channels[-2], **heads),
    )
    vary = dict(type='RandomResize', scale=Name('image_size'), ratio_range=settings['size jitter'], keep_ratio=True)
    steps = [
        Name('image'),
        Name('labels'),
        vary,
        dict(type='RandomCrop', crop_size=Name('patch'), cat_max_ratio=0.9),
        *flips(settings),
        dict(type='PhotoMetricDistortion'),
        Name('pack'),
    ]
    resize = dict(type='Resize', scale=Name('image_size'), keep_ratio=True)
    named = len(settings.classes) <= MOST_CLASSES
    return [
        *([assignment('palette', [list(colour) for colour in settings.pictures.palette])] if named else []),
        assignment('image_size', settings['image size']),
        f'{assignment("patch", (height, width))}  # height, width',
        'data_root = "{{ fileDirname }}/data/"',
        '',
        assignment('model', model),
        '',
        "image, labels = dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')",
        "pack = dict(type='PackSegInputs')",
        assignment('train_pipeline', steps),
        assignment('test_pipeline', [Name('image'), resize, Name('labels'), Name('pack')]),
        data_set(settings),
        assignment(
            'train_dataloader',
            loader(
                settings, 'train', 'train_pipeline', 'txt', batch_size=settings['batch'], **drop, **workers(settings)
            ),
        ),
        "val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])",
        *evaluated(settings, None, 'txt'),
    ]
