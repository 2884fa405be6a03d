"""Names of the classes of label pictures, from the lists that people and programs write.

Known are a name in each line; a name with a value (Roboflow's ``_classes.csv``: ``0, background``); and a name with a
colour (CVAT's ``labelmap.txt``: ``road:128,64,128::``; ``class_dict.csv``: ``road,128,64,128``; CamVid's
``label_colors.txt``: ``128 64 128 Road``). Headings and comments are passed over.
"""

from __future__ import annotations

import re
from pathlib import Path

from mmattn.data.formats.text_files import read_lines
from mmattn.data.formats.tree import Tree
from mmattn.data.label_pictures.coding import Named
from mmattn.data.label_pictures.palette import packed

# Names of the lists in small letters, without - and _; those with colours first.
_FILES = (
    'labelmap',
    'labelcolors',
    'labelcolours',
    'classdict',
    'colormap',
    'palette',
    'classes',
    'classnames',
    'names',
    'labels',
    'categories',
)
_SUFFIXES = ('.txt', '.csv', '.tsv', '.names')
_COLOUR = re.compile(r'(?<![\w.])(\d{1,3})[\s,;]+(\d{1,3})[\s,;]+(\d{1,3})(?![\w.])')
_VALUE_FIRST = re.compile(r'(\d{1,5})\s*[\s,;:=]\s*(\D.*)')
_VALUE_LAST = re.compile(r'(.*\D)\s*[,;:=\t]\s*(\d{1,5})')
_HEADING = re.compile(r'(#|//|(pixel ?value|class|name|label|id|index|r)\b.*[,;\t])', re.IGNORECASE)


def find_names(tree: Tree) -> tuple[list[Named], Path | None]:
    """The names of the classes and the file that they are from; none where there is no such file.

    Args:
        tree: Files of the data set.
    """
    files = [
        path
        for path in tree.with_suffix(*_SUFFIXES)
        if re.sub('[-_ ]', '', path.stem.lower()) in _FILES and path.parent.name.lower() not in ('labels', 'masks')
    ]
    for path in sorted(files, key=lambda path: (_rank(path), len(path.parts))):
        names = read_names(path)
        if names:
            return names, path
    return [], None


def read_names(path: Path) -> list[Named]:
    """The names in a list; empty where its lines are not all of one kind, or it cannot be read.

    Args:
        path: Path of the list.
    """
    try:
        lines = [line for _, line in read_lines(path)]
    except OSError:
        return []
    lines = [line for line in lines if not line.startswith(('#', '//'))]
    if len(lines) > 1 and _HEADING.match(lines[0]) and not _COLOUR.search(lines[0]):
        lines = lines[1:]
    for read in (_with_colour, _with_value):
        names = [read(line) for line in lines]
        if names and all(names):
            return [each for each in names if each]
    return [Named(_cleaned(line)) for line in lines if _cleaned(line)]


def _rank(path: Path) -> int:
    return _FILES.index(re.sub('[-_ ]', '', path.stem.lower()))


def _with_colour(line: str) -> Named | None:
    found = _COLOUR.search(line)
    if not found or any(int(each) > 255 for each in found.groups()):
        return None
    name = _cleaned(line[: found.start()]) or _cleaned(line[found.end() :])
    return Named(name, colour=packed(map(int, found.groups()))) if name else None


def _with_value(line: str) -> Named | None:
    if found := _VALUE_FIRST.fullmatch(line):
        return Named(_cleaned(found[2]), int(found[1])) if _cleaned(found[2]) else None
    if found := _VALUE_LAST.fullmatch(line):
        return Named(_cleaned(found[1]), int(found[2])) if _cleaned(found[1]) else None
    return None


def _cleaned(text: str) -> str:
    return text.strip(' \t,;:=|"\'')
