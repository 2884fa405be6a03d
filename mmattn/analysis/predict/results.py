"""Files of predictions: COCO-form JSON and CSV, written as one goes and put together at the end."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from mmattn.engine.kinds import Kind
from mmattn.files import atomic_path, csv_text, plain

from .found import Classes, Detections, Found, Labels, Masks, Patch

JSON, CSV = 'predictions.json', 'predictions.csv'
# Columns of the CSV by the kind of the model; places and areas in pixels of the image, labels the label picture's path.
COLUMNS: dict[Kind, tuple[str, ...]] = dict(
    detector=('image', 'class', 'score', 'x', 'y', 'width', 'height', 'area'),
    segmentor=('image', 'class', 'area', 'share', 'labels'),
    classifier=('image', 'rank', 'class', 'score'),
)


class Results:
    """Predictions in files of a folder, complete whenever `write` is called.

    ``predictions.json`` has the form of a COCO data set: 'images' with file_name, width, height and id, 'categories'
    with names, and 'annotations', a list of results: image_id, category_id, score, bbox (x, y, width and height in
    pixels) and, where the model has masks, segmentation (RLE). Ids begin with 1. Of a classifier the annotations are
    the likeliest classes of each image, with score and rank. Of a segmentor there is one for each class that any pixel
    is of, as in COCO's stuff annotations: segmentation (RLE), bbox, area in pixels, and share of the image from 0 to 1;
    the categories have label, the value in the label pictures, and color. What is not written yet is in temporary
    files, so that a long video needs no memory.

    Args:
        folder: Folder that gets the files.
        classes: Class names in the order of the labels; empty where they are not known.
        kind: Kind of the model.
        info: What else the JSON tells: model, checkpoint, options.

    Attributes:
        images: Number of images that were added.
        annotations: Number of objects or classes that were found in them.
        areas: Of a segmentor, the number of pixels by class in all images.
        pixels: Of a segmentor, the number of all pixels of the images, those of no class that is looked for among them.
    """

    def __init__(self, folder: Path, classes: Sequence[str], kind: Kind, info: dict) -> None:
        self.folder, self.info = folder, info
        self.images = self.annotations = self.pixels = 0
        self.areas: Counter[str] = Counter()
        self._classes, self._labels = classes, 0
        self._colors: tuple[tuple[int, int, int], ...] = ()
        self._images, self._annotations, self._rows = (
            tempfile.TemporaryFile('w+', encoding='utf-8', errors='backslashreplace')  # noqa: SIM115  closed by close()
            for _ in range(3)
        )
        self._rows.write(csv_text([COLUMNS[kind]]))

    def add(self, file_name: str, size: tuple[int, int], found: Found, **more: object) -> None:
        """Adds what was found in an image.

        Args:
            file_name: Name of the image.
            size: Width and height of the image in pixels.
            found: What was found in it.
            more: What else the JSON says of the image.
        """
        self.images += 1
        image = dict(id=self.images, file_name=file_name, width=size[0], height=size[1], **more)
        _append(self._images, [image], first=self.images == 1)
        if isinstance(found, Detections):
            entries, rows = _objects(found, file_name)
        elif isinstance(found, Labels):
            entries, rows = _classes_of_pixels(found, file_name, str(more.get('labels', '')))
            self._classes, self._colors = found.names, found.colors
            self.pixels += found.labels.size
            self.areas.update({found.names[label]: int(found.areas()[label]) for label in found.found()})
        else:
            entries, rows = _answers(found, file_name)
        for number, entry in enumerate(entries, start=self.annotations + 1):
            entry.update(id=number, image_id=self.images)
            self._labels = max(self._labels, entry['category_id'])
        _append(self._annotations, entries, first=self.annotations == 0)
        self.annotations += len(entries)
        self._rows.write(csv_text(rows))

    def write(self) -> list[Path]:
        """Writes the files with all that was added, in one step each, and returns their paths."""
        names = self._classes or [f'class {label}' for label in range(self._labels)]
        categories = [dict(id=number, name=name, supercategory='') for number, name in enumerate(names, start=1)]
        for label, color in enumerate(self._colors):
            categories[label].update(label=label, color=color)
        head = json.dumps(plain(dict(info=self.info, licenses=[], categories=categories)), indent=1)
        with atomic_path(self.folder / JSON) as temporary, temporary.open('w', encoding='utf-8') as file:
            file.write(head.removesuffix('\n}'))
            for key, entries in (('images', self._images), ('annotations', self._annotations)):
                file.write(f',\n "{key}": [')
                _copy(entries, file)
                file.write('\n ]')
            file.write('\n}\n')
        with atomic_path(self.folder / CSV) as temporary, temporary.open('w', encoding='utf-8') as file:
            _copy(self._rows, file)
        return [self.folder / JSON, self.folder / CSV]

    def close(self) -> None:
        """Removes the temporary files; what is not written by then is lost."""
        for file in (self._images, self._annotations, self._rows):
            file.close()


def _append(file: IO[str], entries: list[dict], first: bool) -> None:
    for entry in entries:
        file.write(f'{"" if first else ","}\n  {json.dumps(plain(entry))}')
        first = False


def _copy(source: IO[str], target: IO[str]) -> None:
    source.seek(0)
    shutil.copyfileobj(source, target)
    source.seek(0, 2)


def _objects(found: Detections, file_name: str) -> tuple[list[dict], list[tuple]]:
    entries, rows = [], []
    for index, (box, score, label) in enumerate(
        zip(found.boxes.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
    ):
        x, y, width, height = (round(value, 2) for value in (box[0], box[1], box[2] - box[0], box[3] - box[1]))
        area = round(width * height, 2)
        entry = dict(category_id=label + 1, bbox=[x, y, width, height], score=round(score, 5), iscrowd=0)
        if found.masks is not None:
            area = int(found.masks.patches[index].pixels.sum())
            entry.update(segmentation=found.masks.rle(index))
        entries.append(dict(entry, area=area))
        rows.append((file_name, found.names[index], round(score, 5), x, y, width, height, area))
    return entries, rows


def _classes_of_pixels(found: Labels, file_name: str, picture: str) -> tuple[list[dict], list[tuple]]:
    entries, rows = [], []
    areas, shares = found.areas().tolist(), found.shares().tolist()
    for label in found.found():
        patch = Patch.of(found.labels == label)
        height, width = patch.pixels.shape
        masks = Masks([patch], *found.labels.shape)
        entry = dict(category_id=label + 1, bbox=[patch.left, patch.top, width, height], segmentation=masks.rle(0))
        entries.append(dict(entry, area=areas[label], share=round(shares[label], 6), iscrowd=0))
        rows.append((file_name, found.names[label], areas[label], round(shares[label], 6), picture))
    return entries, rows


def _answers(found: Classes, file_name: str) -> tuple[list[dict], list[tuple]]:
    ranked = list(enumerate(zip(found.labels, found.names, found.scores, strict=True), start=1))
    entries = [
        dict(category_id=label + 1, category=name, score=round(score, 5), rank=rank)
        for rank, (label, name, score) in ranked
    ]
    return entries, [(file_name, rank, name, round(score, 5)) for rank, (_, name, score) in ranked]
