"""Small set-ups for the tests of the checks: a few images with annotations, and configs of tiny networks for them."""

from __future__ import annotations

import json
from pathlib import Path

import mmattn.models  # noqa: F401  isort: skip  before mmdet
import cv2
import numpy as np
from mmengine.config import Config

BACKBONE = dict(
    _delete_=True,
    type='mmattn.AttnResNet',
    depth=None,
    stage_blocks=(1, 1, 1, 1),
    base_channels=8,
    norm_cfg=dict(type='GN', num_groups=2),
)
CLASSES = ('round', 'square')


def write_coco(
    folder: Path, name: str, images: int = 4, first: int = 0, size: int = 64, classes: tuple = CLASSES, ids: int = 1
) -> Path:
    """Writes a COCO file ``<name>.json`` and its images ``<name>/<number>.png``; returns the path of the file.

    Every image has an object of each class, with a polygon.
    """
    (folder / name).mkdir(parents=True, exist_ok=True)
    content = dict(images=[], annotations=[], categories=[dict(id=i + 1, name=n) for i, n in enumerate(classes)])
    generator = np.random.default_rng(first)
    for index in range(images):
        file = f'{first + index:04}.png'
        cv2.imwrite(str(folder / name / file), generator.integers(0, 255, (size, size, 3), np.uint8))
        content['images'].append(dict(id=ids + index, file_name=file, width=size, height=size))
        for category in content['categories']:
            x, y, w, h = (int(v) for v in generator.integers((2, 2, 16, 16), (20, 20, 30, 30)))
            content['annotations'].append(
                dict(
                    id=len(content['annotations']) + 1,
                    image_id=ids + index,
                    category_id=category['id'],
                    iscrowd=0,
                    bbox=[x, y, w, h],
                    area=w * h,
                    segmentation=[[x, y, x + w, y, x + w, y + h, x, y + h]],
                )
            )
    path = folder / f'{name}.json'
    path.write_text(json.dumps(content))
    return path


def write_folders(folder: Path, split: str, classes: tuple = ('a', 'b'), images: int = 2, size: int = 32) -> None:
    """Writes images into a folder for each class."""
    generator = np.random.default_rng(0)
    for name in classes:
        (folder / split / name).mkdir(parents=True, exist_ok=True)
        for index in range(images):
            image = generator.integers(0, 255, (size, size, 3), np.uint8)
            cv2.imwrite(str(folder / split / name / f'{index}.png'), image)


def detector(folder: Path, kind: str = 'faster', **changes: object) -> Config:
    """Config of a tiny detector ('faster', 'mask' or 'retina') on data of `write_coco` in a folder.

    Args:
        folder: Folder, of the data and of the run.
        kind: Detector.
        changes: Values by key, with ``__`` for the dots.
    """
    base = {'faster': 'faster-rcnn_r50_fpn', 'mask': 'mask-rcnn_r50_fpn', 'retina': 'retinanet_r50_fpn'}[kind]
    heads = (
        dict(bbox_head=dict(num_classes=2, feat_channels=16, in_channels=16, stacked_convs=1))
        if kind == 'retina'
        else dict(
            rpn_head=dict(in_channels=16, feat_channels=16),
            roi_head=dict(
                bbox_roi_extractor=dict(out_channels=16),
                bbox_head=dict(num_classes=2, in_channels=16, fc_out_channels=32),
            ),
        )
    )
    if kind == 'mask':
        heads['roi_head'] |= dict(
            mask_roi_extractor=dict(out_channels=16),
            mask_head=dict(num_classes=2, in_channels=16, conv_out_channels=16, num_convs=1),
        )
    neck = dict(in_channels=[32, 64, 128, 256], out_channels=16)
    if kind == 'retina':
        neck['start_level'] = 0
    for split, first in (('train', 0), ('val', 100)):
        if not (folder / f'{split}.json').exists():
            write_coco(folder, split, first=first, ids=1 if split == 'train' else 101)
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', with_bbox=True, with_mask=kind == 'mask'),
        dict(type='Resize', scale=(64, 64), keep_ratio=True),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PackDetInputs'),
    ]
    test = [
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(64, 64), keep_ratio=True),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
    ]
    data = dict(type='CocoDataset', data_root=f'{folder}/', metainfo=dict(classes=CLASSES))
    model = dict(backbone=BACKBONE, neck=neck, **heads)
    train = dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=True),
        batch_sampler=dict(type='AspectRatioBatchSampler'),
        dataset=dict(
            **data,
            ann_file='train.json',
            data_prefix=dict(img='train/'),
            pipeline=pipeline,
            filter_cfg=dict(filter_empty_gt=True, min_size=32),
        ),
    )
    val = dict(
        batch_size=1,
        num_workers=0,
        drop_last=False,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(**data, ann_file='val.json', data_prefix=dict(img='val/'), pipeline=test, test_mode=True),
    )
    metric = ['bbox', 'segm'] if kind == 'mask' else 'bbox'
    text = f"""
_base_ = ['mmdet::_base_/models/{base}.py', 'mmdet::_base_/default_runtime.py']
model = {model!r}
train_dataloader = {train!r}
val_dataloader = {val!r}
val_evaluator = {dict(type='CocoMetric', ann_file=f'{folder}/val.json', metric=metric)!r}
test_dataloader = val_dataloader
test_evaluator = val_evaluator
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
work_dir = '{folder}/work'
"""
    return _config(folder, text, changes)


def classifier(folder: Path, **changes: object) -> Config:
    """Config of a tiny classifier on data of `write_folders` in a folder; `changes` as for `detector`."""
    for split in ('train', 'val'):
        if not (folder / split).exists():
            write_folders(folder, split)
    pipeline = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
    loader = dict(
        batch_size=2,
        num_workers=0,
        collate_fn=dict(type='default_collate'),
        sampler=dict(type='DefaultSampler', shuffle=False),
    )
    data = dict(type='CustomDataset', data_root=str(folder), pipeline=pipeline)
    model = dict(
        type='ImageClassifier',
        backbone={**BACKBONE, 'out_indices': (3,)},
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=2, in_channels=256, loss=dict(type='CrossEntropyLoss')),
    )
    text = f"""
_base_ = ['mmpretrain::_base_/default_runtime.py']
model = {model!r}
data_preprocessor = dict(num_classes=2)
train_dataloader = {dict(loader, dataset=dict(data, data_prefix='train'))!r}
val_dataloader = {dict(loader, dataset=dict(data, data_prefix='val', test_mode=True))!r}
val_evaluator = dict(type='Accuracy', topk=(1,))
test_dataloader = val_dataloader
test_evaluator = val_evaluator
train_cfg = dict(by_epoch=True, max_epochs=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01))
work_dir = '{folder}/work'
""".replace("'_delete_': True, ", '')
    return _config(folder, text, changes)


def write_labelled(folder: Path, split: str, images: int = 4, size: int = 64, classes: int = 2) -> None:
    """Writes ``images/<split>/<number>.png`` and ``labels/<split>/<number>.png`` with every class in each image."""
    generator = np.random.default_rng(len(split))
    for index in range(images):
        labels = np.zeros((size, size), np.uint8)
        for label in range(1, classes):
            x, y = generator.integers(2, size // 2, 2)
            labels[y : y + 20, x : x + 20] = label
            labels[2 * label, :9] = label
        image = labels[..., None] * 60 + generator.integers(0, 60, (size, size, 3), np.uint8)
        for kind, picture in (('images', image.astype(np.uint8)), ('labels', labels)):
            path = folder / kind / split / f'{index:04}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), picture)


def segmentor(folder: Path, **changes: object) -> Config:
    """Config of a tiny segmentor on data of `write_labelled` in a folder; `changes` as for `detector`."""
    for split in ('train', 'val'):
        if not (folder / 'images' / split).exists():
            write_labelled(folder, split)
    norm = dict(type='BN')
    head = dict(norm_cfg=norm, channels=16, num_classes=2)
    model = dict(
        pretrained=None,
        data_preprocessor=dict(size=(64, 64)),
        backbone={**BACKBONE, 'norm_cfg': norm, 'strides': (1, 2, 1, 1), 'dilations': (1, 1, 2, 4)},
        decode_head=dict(**head, in_channels=256, c1_in_channels=32, c1_channels=8, dilations=(1, 2, 3, 4)),
        auxiliary_head=dict(**head, in_channels=128),
    )
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PackSegInputs'),
    ]
    test = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
    data = dict(
        type='BaseSegDataset',
        data_root=str(folder),
        img_suffix='.png',
        seg_map_suffix='.png',
        metainfo=dict(classes=('ground', 'thing'), palette=[(0, 0, 0), (220, 20, 60)]),
    )

    def of(split: str, pipeline: list[dict]) -> dict:
        return dict(
            data, data_prefix=dict(img_path=f'images/{split}', seg_map_path=f'labels/{split}'), pipeline=pipeline
        )

    train = dict(
        batch_size=2, num_workers=0, sampler=dict(type='InfiniteSampler', shuffle=True), dataset=of('train', pipeline)
    )
    val = dict(
        batch_size=1,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(of('val', test), test_mode=True),
    )
    text = f"""
_base_ = ['mmseg::_base_/models/deeplabv3plus_r50-d8.py', 'mmseg::_base_/default_runtime.py']
model = {model!r}
train_dataloader = {train!r}
val_dataloader = {val!r}
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_dataloader = val_dataloader
test_evaluator = val_evaluator
train_cfg = dict(type='IterBasedTrainLoop', max_iters=4, val_interval=2)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.001))
default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2))
work_dir = '{folder}/work'
"""
    return _config(folder, text, changes)


def _config(folder: Path, text: str, changes: dict) -> Config:
    from mmattn.engine.launch import load_config

    path = folder / f'{folder.name}.py'  # mmengine keeps the scope of a run by this name and the second of its start
    path.write_text(text)
    return load_config(path, {key.replace('__', '.'): value for key, value in changes.items()})
