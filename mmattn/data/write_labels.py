"""Label pictures of a data set as files that mmsegmentation's BaseSegDataset reads, from polygons or other pictures."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from mmattn.data.formats.part import Part
from mmattn.data.formats.source import Source
from mmattn.data.images import read_in_time
from mmattn.data.label_pictures.balance import Balance
from mmattn.data.label_pictures.coding import BACKGROUND_NAME
from mmattn.data.label_pictures.from_objects import IGNORED, label_picture
from mmattn.data.label_pictures.loading import count_values
from mmattn.data.label_pictures.palette import Colour, voc_colour
from mmattn.data.label_pictures.raw import read_raw
from mmattn.errors import UserError
from mmattn.files import atomic_path, write_text

LABELS, CLASSES = 'labels', 'classes.txt'


@dataclass(frozen=True)
class Written:
    """Label pictures that were written.

    Args:
        root: Folder that the names of the images start from.
        suffix: What all images end with, which the lists leave out; '' where they end differently.
        classes: Names of the classes, in the order of their labels.
        palette: Colour of each class.
        balance: Pixels and images of each class, by part.
    """

    root: Path
    suffix: str
    classes: tuple[str, ...]
    palette: tuple[Colour, ...]
    balance: Mapping[str, Balance]


def semantic_classes(source: Source) -> tuple[str, ...]:
    """Names of the classes of a data set's pixels: where it has objects, the background is the first.

    Args:
        source: A data set with label pictures, or with masks.

    Raises:
        UserError: It has neither, or more classes than labels of 8 bits.
    """
    if source.task not in ('semantic', 'masks'):
        raise UserError(
            f"'{source.path}' has {source.task}, of which no label pictures can be made; that needs polygons, masks or "
            'label pictures'
        )
    classes = source.classes if source.task == 'semantic' else (BACKGROUND_NAME, *_foreground(source))
    if len(classes) > IGNORED:
        raise UserError(f"'{source.path}' has {len(classes)} classes; label pictures of 8 bits have at most {IGNORED}")
    return tuple(classes)


def write_labels(source: Source, parts: Mapping[str, Part], folder: Path, workers: int | None = None) -> Written:
    """Writes labels/NAME.png for each image, a list of names PART.txt for each part, and classes.txt.

    Label pictures are indexed PNG, so that any viewer shows the classes in colours.

    Args:
        source: A data set with label pictures, or with masks.
        parts: Its parts.
        folder: Folder of the files.
        workers: Number of threads; None: one for each CPU.

    Raises:
        UserError: The data set has no masks, a label picture cannot be read, or a name does not fit into a list.
    """
    classes = semantic_classes(source)
    palette = source.coding.palette if source.coding else tuple(voc_colour(label) for label in range(len(classes)))
    root, names = _names(parts)
    suffixes = {PurePosixPath(name).suffix for each in names.values() for name in each}
    suffix = suffixes.pop() if len(suffixes) == 1 else ''
    balance = {}
    for part, each in parts.items():
        listed = [name.removesuffix(suffix) for name in names[part]]
        odd = next((name for name in listed if name != name.strip() or '\n' in name or '\r' in name), None)
        if odd is not None:
            raise UserError(f'the name of the image {odd!r} has spaces at its ends or a line break; rename it')
        pictures = _Pictures(source, each, classes, folder / LABELS, listed, palette)
        found = read_in_time(pictures.write, list(pictures.paths), 'writing label pictures', workers)
        balance[part] = Balance(classes)
        for path, counts in found.items():
            if isinstance(counts, OSError):
                raise UserError(f"cannot write the label picture '{path}': {counts}") from counts
            balance[part].add(counts, IGNORED)
        write_text(''.join(f'{name}\n' for name in listed), folder / f'{part}.txt')
    write_text(''.join(f'{name}\n' for name in classes), folder / CLASSES)
    return Written(root, suffix, classes, tuple(palette), balance)


class _Pictures:
    """Makes the label pictures of a part."""

    def __init__(
        self,
        source: Source,
        part: Part,
        classes: tuple[str, ...],
        folder: Path,
        listed: list[str],
        palette: tuple[Colour, ...],
    ) -> None:
        self.paths = {folder / f'{name}.png': image for name, image in zip(listed, part.images)}
        self._source, self._root = source, part.root
        self._colours = [value for colour in palette for value in colour]
        self._objects: dict[int, list[dict]] = defaultdict(list)
        for entry in part.annotations:
            self._objects[entry['image_id']].append(entry)
        self._labels = {
            number: classes.index(name)
            for number, name in enumerate(source.classes, start=1)
            if name in classes and name != BACKGROUND_NAME
        }

    def write(self, path: Path) -> dict[int, int]:
        """Writes a label picture; returns its number of pixels by label."""
        labels = self._drawn(self.paths[path])
        image = Image.fromarray(labels).convert('L')
        image.putpalette(self._colours + [0] * (3 * IGNORED - len(self._colours)) + [255] * 3)
        with atomic_path(path) as temporary:
            image.save(temporary, 'PNG', optimize=False)
        return {int(label): pixels for label, pixels in count_values(labels).items()}

    def _drawn(self, image: dict) -> np.ndarray:
        if self._source.coding is not None:
            return self._source.coding.apply(read_raw(self._root / image['labels']))
        return label_picture(self._objects[image['id']], self._labels, (image['width'], image['height']))


def _foreground(source: Source) -> list[str]:
    """The classes of objects; those called background are background."""
    return [name for name in source.classes if name != BACKGROUND_NAME]


def _names(parts: Mapping[str, Part]) -> tuple[Path, dict[str, list[str]]]:
    """The folder that all images are in, and their names from there on, by part."""
    files = {name: [image['file_name'] for image in part.images] for name, part in parts.items()}
    root = next(iter(parts.values())).root
    if not any(os.path.isabs(name) for names in files.values() for name in names):
        return root, files
    paths = {part: [os.path.join(root, name) for name in names] for part, names in files.items()}
    root = Path(os.path.commonpath([os.path.dirname(path) for names in paths.values() for path in names]))
    return root, {
        part: [Path(os.path.relpath(path, root)).as_posix() for path in names] for part, names in paths.items()
    }
