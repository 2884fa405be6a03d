"""Pairs of images and label pictures: the same names in folders that are called otherwise, or names with an ending."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from mmattn.data.formats.tree import Tree, key

_LABELS = (
    'labels?|masks?|annotations?|annots?|ann|segs?|segmentations?|segmentationclass(?:png|raw|aug)?|gt|gts|gtfine|'
    'gtcoarse|ground[_ ]?truths?|targets?|trimaps?|semantic|labelids'
)
_IMAGES = 'images?|imgs?|photos?|pictures?|jpegimages|leftimg8bit|inputs?|raw|rgb'
# In the names of folders these words stand alone, or beside others: train_masks, ann_dir, images_512.
_LABEL_WORD = re.compile(rf'(?:^|[-_ ])(?:{_LABELS})(?=$|[-_ ])|(?<=[a-z])annot$')
_IMAGE_WORD = re.compile(rf'(?:^|[-_ ])(?:{_IMAGES})(?=$|[-_ ])')
_REST = re.compile(r'[-_ ]+(?:dir|folder|set)$')
# Pictures that are made of the others, or have a number for each object.
_OTHERS = re.compile(
    r'segmentationobject\w*|instances?|instanceids|visuali[sz]ations?|overlays?|previews?|thumbnails?|depth'
)
# At the ends of names; the first is the best where an image has several.
_LABEL_ENDINGS = (
    '_gtfine_labeltrainids',
    '_gtfine_labelids',
    '_gtcoarse_labelids',
    '_labeltrainids',
    '_labelids',
    '_mask',
    '-mask',
    '_masks',
    '_label',
    '-label',
    '_labels',
    '_segmentation',
    '_seg',
    '_gt',
    '_annotation',
    '_groundtruth',
)
# CamVid's, which elsewhere is the left one of two images.
_IN_FOLDERS = '_l'
_IMAGE_ENDINGS = ('_leftimg8bit', '_image', '_img', '_sat', '_rgb')


@dataclass
class Pairs:
    """Images and their label pictures.

    Args:
        found: Label picture of each image.
        without: Images that have none.
        loose: Label pictures that have no image.
        doubtful: Images for which several may be theirs, with these.
    """

    found: dict[Path, Path] = field(default_factory=dict)
    without: list[Path] = field(default_factory=list)
    loose: list[Path] = field(default_factory=list)
    doubtful: dict[Path, list[Path]] = field(default_factory=dict)


def find_pairs(tree: Tree) -> Pairs:
    """Pairs images with label pictures by the names of files and folders alone.

    Args:
        tree: Files of the data set.
    """
    # Label pictures are also written as GIF, which no run reads as an image.
    places = {path: _folders(tree, path) for path in [*tree.images, *tree.with_suffix('.gif')]}
    looked_at = [path for path, folders in places.items() if not any(map(_OTHERS.fullmatch, folders))]
    inside = {path for path in looked_at if any(map(_LABEL_WORD.search, places[path]))}
    beside: dict[Path, set[str]] = defaultdict(set)
    for path in looked_at:
        if path not in inside and path.suffix.lower() != '.gif':
            beside[path.parent].add(key(path.stem))
    elsewhere = set().union(*beside.values())
    images: list[Path] = []
    labels: dict[str, list[tuple[tuple[str, ...], int, Path]]] = {}
    for path in looked_at:
        known = elsewhere if path in inside else beside[path.parent]
        stem, rank = _label_stem(key(path.stem), known, path in inside)
        if stem is not None:
            labels.setdefault(stem, []).append((_place(places[path]), rank, path))
        elif path.suffix.lower() != '.gif':
            images.append(path)
    pairs, used = Pairs(), set[Path]()
    for path in images:
        candidates = labels.get(_image_stem(key(path.stem)), [])
        same = [each for each in candidates if each[0] == _place(places[path])] or candidates
        best = [each for each in same if each[1] == min(rank for _, rank, _ in same)]
        if not best:
            pairs.without.append(path)
        elif len(best) > 1:
            pairs.doubtful[path] = [each[2] for each in best]
        else:
            pairs.found[path] = best[0][2]
        used.update(each[2] for each in same)
    pairs.loose = sorted(path for each in labels.values() for _, _, path in each if path not in used)
    return pairs


def _folders(tree: Tree, path: Path) -> list[str]:
    return [key(name) for name in tree.relative(path).split('/')[:-1]]


def _label_stem(stem: str, known: set[str], in_folder: bool) -> tuple[str | None, int]:
    """Name of the image that a picture is the labels of, and the rank of its kind; None if it is an image itself.

    Args:
        stem: Name of the picture.
        known: Names of the images in the folder of the picture or, if it is in one of labels, of all images.
        in_folder: Whether it is in a folder of labels.
    """
    if in_folder and stem in known:
        return _image_stem(stem), len(_LABEL_ENDINGS)
    for rank, ending in enumerate((*_LABEL_ENDINGS, *([_IN_FOLDERS] if in_folder else []))):
        shorter = stem.removesuffix(ending)
        if (
            shorter
            and shorter != stem
            and (in_folder or any(shorter + each in known for each in ('', *_IMAGE_ENDINGS)))
        ):
            return shorter, rank
    return (_image_stem(stem), len(_LABEL_ENDINGS)) if in_folder else (None, 0)


def _image_stem(stem: str) -> str:
    return next((stem.removesuffix(each) for each in _IMAGE_ENDINGS if stem.endswith(each)), stem)


def _place(folders: list[str]) -> tuple[str, ...]:
    """Folders without the words that images and label pictures differ in."""
    found = (_REST.sub('', _IMAGE_WORD.sub('', _LABEL_WORD.sub('', name))).strip('-_ ') for name in folders)
    return tuple(name for name in found if name not in ('', 'dir'))
