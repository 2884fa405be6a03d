"""Settings of a dataset in a config that are of a kind which it cannot read."""

import os
from collections.abc import Iterator, Sequence

from mmattn.data.text import shown


def settings_problems(dataset: dict, needs_img: bool) -> Iterator[str]:
    """What is wrong with the paths and classes of a dataset, in words.

    Args:
        dataset: Settings of the dataset.
        needs_img: Whether it is one of mmdet, which take the folder of images from ``data_prefix['img']`` alone.
    """
    for key in ('ann_file', 'data_root'):
        value = dataset.get(key)
        if isinstance(value, (list, tuple)):
            yield (
                f'{key} is a list, {shown(value)}: give a data set for each, inside '
                "dict(type='ConcatDataset', datasets=[…])"
            )
        elif value is not None and not isinstance(value, (str, os.PathLike)):
            yield f'{key} is no path, but {shown(value)}'
    if isinstance(dataset.get('ann_file'), os.PathLike) and not os.path.isabs(dataset['ann_file']):
        yield f'ann_file is {shown(dataset["ann_file"])}, which mmengine cannot join to data_root: write it as text'
    if needs_img and not dataset.get('ann_file'):
        yield 'ann_file is missing: give the path of the JSON file'
    yield from _prefix_problems(dataset, needs_img)
    for key in ('backend_args', 'file_client_args'):
        if not isinstance(dataset.get(key) or {}, dict):
            yield f'{key} is no dict, but {shown(dataset[key])}'
    extensions = dataset.get('extensions', ())
    if not isinstance(extensions, (list, tuple)) or not all(isinstance(each, str) for each in extensions):
        yield f"extensions is no list of texts like '.jpg', but {shown(extensions)}"
    metainfo = dataset.get('metainfo')
    if metainfo is not None and not isinstance(metainfo, dict):
        yield f'metainfo is no dict, but {shown(metainfo)}'
        return
    classes = (metainfo or {}).get('classes')
    if classes is not None and not isinstance(classes, (str, Sequence)):
        yield f'metainfo.classes is no list of names, but {shown(classes)}'
    elif classes is not None and not classes:
        yield 'metainfo.classes is empty: list the names of the classes'
    if 'CLASSES' in (metainfo or {}):
        yield "metainfo has 'CLASSES', which is not read any more: write it 'classes'"


def _prefix_problems(dataset: dict, needs_img: bool) -> Iterator[str]:
    prefix = dataset.get('data_prefix', {})
    if isinstance(prefix, str) and not needs_img:
        return
    if not isinstance(prefix, dict):
        yield f"data_prefix is {shown(prefix)}: write data_prefix=dict(img='…')" + (
            ', and a data set for each folder, inside ConcatDataset' if isinstance(prefix, (list, tuple)) else ''
        )
        return
    for key, value in prefix.items():
        if not isinstance(value, str):
            yield f"data_prefix['{key}'] is no text, but {shown(value)}" + (
                ': give a data set for each folder, inside ConcatDataset' if isinstance(value, (list, tuple)) else ''
            )
    if needs_img and 'img' not in prefix:
        yield "data_prefix has no 'img': write data_prefix=dict(img='FOLDER')"
