"""A tiny dataset in COCO's format for tests to damage: two images, two classes, two objects and a crowd, with masks."""

from __future__ import annotations

import json
import os
from pathlib import Path

from PIL import Image

CLASSES = ('cat', 'dog')
SIZE = (40, 30)


def save_image(path: Path, size: tuple[int, int] = SIZE, **options) -> None:
    """Writes an image of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', size, (200, 30, 90)).save(path, **options)


def square(left: float, top: float, side: float) -> list[float]:
    """Polygon of a square."""
    return [left, top, left + side, top, left + side, top + side, left, top + side]


def sound() -> dict:
    """Content of the JSON file."""
    return dict(
        images=[dict(id=i, file_name=name, width=40, height=30) for i, name in enumerate(['a.png', 'b.png'], start=1)],
        categories=[dict(id=1, name='cat'), dict(id=2, name='dog')],
        annotations=[
            dict(
                id=1,
                image_id=1,
                category_id=1,
                bbox=[2, 2, 20, 20],
                area=400,
                iscrowd=0,
                segmentation=[square(2, 2, 20)],
            ),
            dict(
                id=2,
                image_id=2,
                category_id=2,
                bbox=[5.5, 5, 10, 10],
                area=100,
                iscrowd=0,
                segmentation=[square(5.5, 5, 10)],
            ),
            dict(
                id=3,
                image_id=2,
                category_id=2,
                bbox=[5, 5, 20, 10],
                area=200,
                iscrowd=1,
                segmentation=dict(size=[30, 40], counts=[5 * 30 + 5, *[10, 20] * 19, 10, 465]),
            ),
        ],
    )


def write(folder: Path, content: dict | str | bytes) -> Path:
    """Writes instances.json, and images of the names in it where there are none yet; returns the JSON file's path."""
    for name in ('a.png', 'b.png'):
        if not os.path.lexists(folder / 'images' / name):
            save_image(folder / 'images' / name)
    if isinstance(content, dict):
        content = json.dumps(content)
    path = folder / 'instances.json'
    path.write_bytes(content if isinstance(content, bytes) else content.encode('utf-8', 'surrogatepass'))
    return path


def settings(folder: Path, *, masks: bool = True, **others) -> dict:
    """Settings of a CocoDataset that reads it."""
    return {
        **dict(
            type='CocoDataset',
            data_root=str(folder),
            ann_file='instances.json',
            data_prefix=dict(img='images/'),
            metainfo=dict(classes=CLASSES),
            pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True, with_mask=masks)],
        ),
        **others,
    }
