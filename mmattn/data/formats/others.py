"""Formats that are recognised and not read, and what to do with them."""

import re
from pathlib import Path

from mmattn.commands import command
from mmattn.data.formats.text_files import beginning, read_lines
from mmattn.data.formats.tree import OTHER_IMAGES, Tree
from mmattn.data.formats.xml_file import root_name

# Names in the JSON files that tools keep for themselves.
_OWN_JSON = {
    'VIA': ('regions', 'shape_attributes'),
    'Label Studio': ('result', 'data', 'annotations'),
    'Labelbox': ('data_row', 'projects'),
    'Supervisely': ('objects', 'exterior'),
}

# A class and fourteen numbers (KITTI), or eight numbers and a class (DOTA).
_KITTI = re.compile(r'[A-Za-z_]+( -?[\d.]+){14,}$|([\d.]+ ){8}[A-Za-z-]+ \d$')

_VISDRONE = re.compile(r'-?\d+(,-?\d+){7},?')


def advice(tree: Tree) -> str | None:
    """What a data set is and what to do with it, to follow its path in a sentence; None if it is unknown."""
    if any(root_name(path) == 'annotations' for path in tree.with_suffix('.xml')[:3]):
        return "is in CVAT's own XML; export it from CVAT as 'COCO 1.0' or 'YOLO 1.1'"
    if any(_is_visdrone(path) for path in tree.with_suffix('.txt') if path.parent.name == 'annotations'):
        return f'is VisDrone-DET; convert it first: {command("visdrone")} SRC DST'
    for path in tree.with_suffix('.json')[:3]:
        text = beginning(path)
        for name, words in _OWN_JSON.items():
            if all(f'"{word}"' in text for word in words):
                return f"is in {name}'s own JSON ({tree.relative(path)}); export it from there as COCO"
    labels = [path for path in tree.with_suffix('.txt')[:20] if _KITTI.match(_first_line(path))]
    if labels:
        return f'has labels of another form than YOLO ({tree.relative(labels[0])}); convert them to COCO JSON or YOLO'
    unread = [path for path in tree.files if path.suffix.lower() in OTHER_IMAGES]
    if unread and not tree.images:
        return f'has images that cannot be read ({tree.relative(unread[0])}); convert them to .jpg or .png'
    archives = [path for path in tree.files if path.suffix.lower() in ('.zip', '.tar', '.gz', '.7z', '.rar')]
    if archives and not tree.images:
        return f'holds an archive ({tree.relative(archives[0])}); unpack it'
    if tree.with_suffix('.parquet', '.arrow', '.tfrecord'):
        return 'holds tables or records (.parquet, .arrow, .tfrecord); export it as COCO JSON'
    return None


def _is_visdrone(path: Path) -> bool:
    return _VISDRONE.fullmatch(_first_line(path)) is not None


def _first_line(path: Path) -> str:
    try:
        lines = read_lines(path)
    except OSError:
        return ''
    return lines[0][1] if lines else ''
