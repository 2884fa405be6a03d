"""Training, validation and test part of a data set as files that configs read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from mmattn.data.duplicates import duplicate_groups
from mmattn.data.formats.part import Part
from mmattn.data.formats.source import Source
from mmattn.data.label_pictures.from_objects import IGNORED
from mmattn.data.split import Split, read_split, split, write_split
from mmattn.data.text import few
from mmattn.errors import UserError
from mmattn.files import write_text

from .settings import Options


def divided(source: Source, split_file: Path, options: Options) -> tuple[dict[str, Part], list[str]]:
    """The parts 'train' and 'val', and 'test' where the data set has one.

    Where the data set has no validation part, its training images are split; the split is written to a file, and a file
    that is there is read instead.

    Args:
        source: The data set.
        split_file: Path of the split.
        options: What the command line asks for: share, seed, or another file with a split.

    Returns:
        The parts, and lines that say how they came about.

    Raises:
        UserError: There is too little to split, or the file does not fit.
    """
    parts = dict(source.parts)
    if 'train' in parts and 'val' in parts:
        if options.split:
            raise UserError(f"'{source.path}' has a training and a validation part; leave --split out")
        return parts, [*_absent('training', parts['train'], source), *_absent('validation', parts['val'], source)]
    whole = parts.pop('all', None) or parts.pop('train', None) or parts.pop('val')
    names = [image['file_name'] for image in whole.images]
    given = options.split or (split_file if split_file.is_file() else None)
    share, seed = options.val_share, options.seed
    if given:
        chosen = read_split(given, names, *(['leave --split out'] if options.split else []))
        write_split(chosen, split_file, seed, share)
        lines = [f'split by {given}']
    else:
        groups = duplicate_groups([whole.root / name for name in names])
        chosen = split(names, _classes(whole, source), groups, share, seed)
        write_split(chosen, split_file, seed, share)
        lines = [f'split by class with seed {seed}, {100 * share:g} % to validate; kept in {split_file}', *chosen.notes]
    parts = {**_apply(chosen, whole), **parts}
    return parts, [*lines, *_absent('training', parts['train'], source)]


def _absent(words: str, part: Part, source: Source) -> list[str]:
    """A line on the classes that no image of a part has, if there are any."""
    there = {name for found in _classes(part, source) for name in found}
    absent = [name for name in source.classes if name not in there]
    return [f'  classes that never occur in the {words} images: {len(absent)} ({few(absent)})'] if absent else []


def _classes(part: Part, source: Source) -> list[list[str]]:
    if source.task == 'classes':
        return [[source.classes[image['label']]] for image in part.images]
    if source.task == 'semantic':
        return [[source.classes[label] for label in image['pixels'] if label != IGNORED] for image in part.images]
    found: dict[int, list[str]] = {image['id']: [] for image in part.images}
    for each in part.annotations:
        found[each['image_id']].append(source.classes[each['category_id'] - 1])
    return list(found.values())


def _apply(chosen: Split, whole: Part) -> dict[str, Part]:
    return {name: _subset(whole, set(files)) for name, files in (('train', chosen.train), ('val', chosen.val))}


def _subset(part: Part, names: set[str]) -> Part:
    images = [image for image in part.images if image['file_name'] in names]
    ids = {image['id'] for image in images}
    return replace(part, images=images, annotations=[each for each in part.annotations if each['image_id'] in ids])


def write_parts(parts: dict[str, Part], source: Source, folder: Path) -> None:
    """Writes classes.txt and each part: COCO JSON (NAME.json), or files and labels for a classifier (NAME.txt).

    Args:
        parts: The parts by name.
        source: The data set that they are of.
        folder: Folder of the files.
    """
    write_text(''.join(f'{name}\n' for name in source.classes), folder / 'classes.txt')
    for name, part in parts.items():
        if source.task == 'classes':
            lines = (f'{image["file_name"]} {image["label"]}\n' for image in part.images)
            write_text(''.join(lines), folder / f'{name}.txt')
        else:
            write_text(json.dumps(part.coco(source.classes)), folder / f'{name}.json')


def digest(source: Source) -> str:
    """A hash of all that was read of a data set; it changes with images and annotations, not with the pixels."""
    content = dict(
        classes=source.classes,
        task=source.task,
        parts={
            name: dict(root=str(part.root.resolve()), images=part.images, annotations=part.annotations)
            for name, part in source.parts.items()
        },
    )
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
