"""Label files of YOLO: which files are some, and which belongs to which image."""

import os
import re
from pathlib import Path

from mmattn.data.formats.text_files import read_lines
from mmattn.data.formats.tree import Tree, key
from mmattn.data.formats.yolo_config import NAMES_FILES

_LINE = re.compile(r'\d+(\.0*)?(\s+[-+]?[\d.,]+([eE][-+]?\d+)?){4,}|\d+(,[-+]?\d*\.\d+){4}')

_FOLDERS = ('labels', 'label', 'annotations', 'txt')
_IMAGE_FOLDERS = ('images', 'image', 'img', 'imgs', 'jpegimages')


def label_files(tree: Tree) -> list[Path]:
    """Text files that may be labels: all but the lists of class names."""
    return [path for path in tree.with_suffix('.txt') if path.name.lower() not in NAMES_FILES]


def is_label(path: Path) -> bool:
    """Whether a file's first line is one of a label file."""
    try:
        lines = read_lines(path)
    except OSError:
        return False
    return bool(lines) and _LINE.fullmatch(lines[0][1]) is not None


class Labels:
    """The label files of images: in labels/ instead of images/, beside the image, or wherever the name is only once.

    ``found`` has the label file of each image that has one, ``alone`` those files that belong to no image.

    Args:
        images: Parts of the data set by image.
        tree: Files of the data set.
    """

    def __init__(self, images: dict[Path, str], tree: Tree) -> None:
        self.found: dict[Path, Path] = {}
        self._folders: dict[Path, dict[str, list[Path]]] = {}
        self._lists = set(_lists(tree))
        self.files = [path for path in label_files(tree) if path not in self._lists]
        by_stem: dict[str, list[Path]] = {}
        homes: dict[Path, list[dict[str, list[Path]]]] = {}
        for path in self.files:
            by_stem.setdefault(key(path.stem), []).append(path)
        for image in images:
            folder = image.parent
            if folder not in homes:
                homes[folder] = [names for each in _label_folders(folder) if (names := self._in(each))]
            for names in homes[folder]:
                found = names.get(key(image.stem))
                if found:
                    self.found[image] = next((path for path in found if path.stem == image.stem), found[0])
                    break
        self._find_elsewhere(images, tree, by_stem)
        used = set(self.found.values())
        stems = {key(image.stem) for image in tree.images}
        self.alone = [path for path in self.files if path not in used and key(path.stem) not in stems]

    def _in(self, folder: Path) -> dict[str, list[Path]]:
        """The label files of a folder, which may be outside the data set's own, by the names of their images."""
        if folder not in self._folders:
            names = sorted(os.listdir(folder)) if folder.is_dir() else []
            found: dict[str, list[Path]] = {}
            for path in (folder / name for name in names if name.lower().endswith('.txt') and not name.startswith('.')):
                if path.name.lower() not in NAMES_FILES and path not in self._lists:
                    found.setdefault(key(path.stem), []).append(path)
            self._folders[folder] = found
        return self._folders[folder]

    def _find_elsewhere(self, images: dict[Path, str], tree: Tree, by_stem: dict[str, list[Path]]) -> None:
        used = set(self.found.values())
        for image, part in images.items():
            free = (
                [
                    path
                    for path in by_stem.get(key(image.stem), ())
                    if path not in used and (tree.part(path.parent) or part) == part
                ]
                if image not in self.found
                else []
            )
            if len(free) == 1 and is_label(free[0]):
                self.found[image] = free[0]
                used.add(free[0])


def _lists(tree: Tree) -> list[Path]:
    """Text files that are no labels: lists of images, notes."""
    return [
        path
        for path in label_files(tree)
        if path.stem.lower()
        in (
            'train',
            'val',
            'valid',
            'test',
            'trainval',
            'readme',
            'license',
            'readme.roboflow',
            'readme.dataset',
            'notes',
        )
        and not is_label(path)
    ] + [path for path in tree.with_suffix('.txt') if path.stem.lower().startswith('readme')]


def _label_folders(home: Path) -> list[Path]:
    """Folders that the labels of a folder of images may be in, the most likely first."""
    parts = list(home.parts)
    folders = []
    for index in reversed(range(len(parts))):
        if parts[index].lower() in _IMAGE_FOLDERS:
            folders += [
                Path(*parts[:index], name, *parts[index + 1 :]) for name in (*_FOLDERS, 'Labels', 'Annotations')
            ]
            break
    folders.append(home)
    for name in _FOLDERS:
        folders += [home / name, home.parent / name / home.name, home.parent / name]
    return folders
