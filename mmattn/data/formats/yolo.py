"""YOLO: a text file for each image, a class number and a box or polygon in shares of the image in each line.

With ultralytics' data.yaml or darknet's obj.data, or only images and labels beside each other, in folders images/ and
labels/, or in a folder for each part. An image without a label file, or with an empty one, has no object.
"""

import os
from collections import Counter
from pathlib import Path

from mmattn.data.formats.draft import Draft, Picture, Shape
from mmattn.data.formats.text_files import number, read_lines
from mmattn.data.formats.tree import Tree, key
from mmattn.data.formats.yolo_config import Config, find_config
from mmattn.data.formats.yolo_labels import Labels, is_label, label_files
from mmattn.data.formats.yolo_names import Names
from mmattn.data.text import few, shown
from mmattn.errors import UserError

# Coordinates above 1 are those of a box that sticks out, up to here.
_LARGEST = 1.5


def recognise(tree: Tree) -> str | None:
    """What the format is recognised by, in a few words; None if the data set has another."""
    if tree.only is not None and tree.only.suffix.lower() not in ('.yaml', '.yml', '.data'):
        return None
    config = find_config(tree)
    if config is not None:
        return tree.relative(config.path)
    stems = {key(path.stem) for path in tree.images}
    labels = [path for path in label_files(tree) if key(path.stem) in stems]
    return few(tree.homes(labels), 4) if any(map(is_label, labels[:50])) else None


def read(tree: Tree) -> Draft:
    """Reads the labels of all images.

    Raises:
        UserError: If the description or the names do not fit the labels.
    """
    config = find_config(tree)
    if tree.only is not None:
        tree = Tree(tree.root)  # all files beside the description
    draft = Draft('')
    images = _listed(draft, tree, config) if config is not None and config.parts else {}
    if not images:
        images = {image: tree.part(image.parent) or 'all' for image in tree.photographs()}
    labels = Labels(images, tree)
    draft.evidence = tree.relative(config.path) if config else few(tree.homes(labels.found.values()), 4)
    names = Names(draft, tree, config)
    lines = {
        path: _numbers(draft, tree, path, bool(config and config.keypoints))
        for path in dict.fromkeys(labels.found.values())
    }
    names.check({path: [line[1] for line in each] for path, each in lines.items() if each})
    draft.classes = names.classes
    for image, part in images.items():
        path = labels.found.get(image)
        shapes: list[Shape] = []
        if path is not None:
            objects = lines[path]
            if objects is None:
                continue
            for where, index, values in objects:
                label = names.label(path, index)
                if label is None:
                    draft.lose('classes beyond the names (left out)', f'{where}: class {index}, {names.say(path)}')
                else:
                    shapes.append(_shape(label, where, values))
        draft.add(part, Picture(image, tree.relative(path or image), shapes, relative=True))
    _remark(draft, tree, images, labels)
    return draft


def _listed(draft: Draft, tree: Tree, config: Config) -> dict[Path, str]:
    """The images of a description, each with its part."""
    images: dict[Path, str] = {}
    read: list[list[Path]] = []
    for part in config.parts:
        places, missing = config.places(tree, part)
        if places and places in read:
            draft.note(f'{part} in {tree.relative(config.path)} are the same images as another part, so it is not read')
            continue
        read.append(places)
        for value in missing:
            if part == 'train':
                base = f"{config.base} (its path:) and '" if config.base else "'"
                raise UserError(
                    f"'{config.path}' says train: {value}, and that is not there (looked for from {base}"
                    f"{config.path.parent}'); correct the line"
                )
            draft.doubt('parts that are not there (passed over)', f'{tree.relative(config.path)}: {part}: {value}')
        for place in places:
            for image in _images(draft, tree, place, part):
                if images.get(image, part) != part:
                    draft.doubt(
                        'images in two parts (the first counts)', f'{tree.relative(image)}: {images[image]} and {part}'
                    )
                images.setdefault(image, part)
    return images


def _images(draft: Draft, tree: Tree, place: Path, part: str) -> list[Path]:
    """Images of a folder or a list."""
    if place.is_dir():
        folder = Path(os.path.normpath(place))
        home = tree if folder.is_relative_to(os.path.normpath(tree.root)) else Tree(folder)
        found = [image for image in home.images if image.is_relative_to(folder)]
        if not found:
            draft.doubt('folders without an image', f'{part}: {tree.relative(folder)}')
        return found
    images = []
    try:
        lines = read_lines(place)
    except OSError as error:
        raise UserError(f"cannot read the list of images '{place}' ({error})") from error
    for line, name in lines:
        try:
            images.append(tree.find_image(name, place.parent, part))
        except LookupError as error:
            draft.lose_image('images missing (left out)', f'{tree.relative(place)}:{line}: {error}')
    return images


def _numbers(draft: Draft, tree: Tree, path: Path, keypoints: bool) -> list[tuple[str, int, list[float]]] | None:
    """Lines of a label file: place, class number and coordinates; damaged ones are left out. None: it is unreadable."""
    try:
        lines = read_lines(path)
    except OSError as error:
        draft.lose_image(
            'label files that cannot be read (their images are left out)', f'{tree.relative(path)}: {error}'
        )
        return None
    found = []
    for line, text in lines:
        where = f'{tree.relative(path)}:{line}'
        fields = text.split() if len(text.split()) > 1 else text.replace(';', ',').split(',')
        try:
            values = [number(field.rstrip(',;'), comma=True) for field in fields]
        except ValueError:
            draft.lose('lines that are not numbers (left out)', f'{where}: {shown(text)}')
            continue
        index, *coordinates = values
        if keypoints:
            coordinates = coordinates[:4]
        if index != int(index) or index < 0:
            draft.lose('classes that are no whole numbers (left out)', f'{where}: {shown(text)}')
        elif len(coordinates) != 4 and (len(coordinates) < 6 or len(coordinates) % 2):
            draft.lose(
                'lines with another count of numbers (left out)',
                f'{where}: {len(values)}; a box has 5, a polygon 7 or more, an odd number',
            )
        elif max(coordinates) > _LARGEST:
            draft.lose(
                'coordinates above 1, in pixels instead of shares of the image (left out)', f'{where}: {shown(text)}'
            )
        else:
            found.append((where, int(index), coordinates))
    return found


def _shape(label: str, where: str, values: list[float]) -> Shape:
    if len(values) > 4:
        return Shape(label, where, mask=[list(values)])
    across, down, width, height = values
    return Shape(label, where, (across - width / 2, down - height / 2, width, height))


def _remark(draft: Draft, tree: Tree, images: dict, labels: Labels) -> None:
    for path in labels.alone:
        draft.leave_out('label files without an image (left out)', tree.relative(path))
    shared = Counter(labels.found.values())
    for path, times in shared.items():
        if times > 1:
            names = [tree.relative(image) for image, label in labels.found.items() if label == path]
            draft.doubt('images that share a label file', f'{tree.relative(path)}: {few(names)}')
    without = len(images) - len(labels.found)
    if without:
        words = f'{without} of {len(images)} images have no label file and count as images without an object'
        if 2 * without > len(images):
            draft.doubt('images without a label file, most of all', words)
        else:
            draft.note(words)
