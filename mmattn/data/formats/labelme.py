"""LabelMe: a JSON file for each image, with shapes of points.

Polygons, circles and masks become masks, rectangles boxes; shapes of one class and one ``group_id`` are parts of one
object. Points and lines are left out.
"""

import base64
import binascii
import io
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image

from mmattn.data.coco.values import is_number
from mmattn.data.formats import json_file
from mmattn.data.formats.draft import Draft, Picture, Shape
from mmattn.data.formats.geometry import circle, extent
from mmattn.data.formats.json_file import JsonError, read_json
from mmattn.data.formats.tree import Tree
from mmattn.data.text import few, shown
from mmattn.errors import UserError

# Files that are looked into to recognise the format.
_SAMPLE = 20

_IGNORED = ('difficult', 'crowd', 'iscrowd', 'ignore')


def recognise(tree: Tree) -> str | None:
    """What the format is recognised by, in a few words; None if the data set has another."""
    files = tree.with_suffix('.json')
    found = [path for path in files[:_SAMPLE] if json_file.kind(path) == json_file.LABELME]
    return few(tree.homes(found), 4) if found else None


def read(tree: Tree) -> Draft:
    """Reads all JSON files.

    Raises:
        UserError: If there are none.
    """
    files = tree.with_suffix('.json')
    if not files:
        raise UserError(f"there is no .json file in '{tree.root}'; give the folder with those of LabelMe")
    draft = Draft(few(tree.homes(files), 4))
    used = set()
    for path in files:
        where = tree.relative(path)
        try:
            content = read_json(path)
        except JsonError as error:
            draft.lose_image(
                'damaged JSON files (their images are left out)', f'{where}:{str(error).removeprefix("line ")}'
            )
            continue
        except OSError as error:
            draft.lose_image('damaged JSON files (their images are left out)', f'{where}: {error}')
            continue
        if not isinstance(content, dict) or not isinstance(content.get('shapes'), list):
            draft.leave_out('JSON files without shapes (left out)', where)
            continue
        picture = _picture(draft, tree, path, content)
        if picture is not None:
            used.add(picture.path)
            picture.shapes = _shapes(draft, where, content['shapes'], picture)
    if tree.only is None:
        for image in sorted(set(tree.photographs()) - used):
            draft.leave_out('images without a JSON file (left out)', tree.relative(image))
    return draft


def _picture(draft: Draft, tree: Tree, path: Path, content: dict) -> Picture | None:
    where, named = tree.relative(path), content.get('imagePath')
    part = tree.part(path.parent)
    image = None
    for find in (
        lambda: tree.find_image(named, path.parent, part) if isinstance(named, str) else None,
        lambda: tree.find_stem(path.stem, path.parent, part),
    ):
        try:
            image = image or find()
        except LookupError:
            continue
    if image is None:
        embedded = (
            ' (the image is inside the file: write it out with labelme_export_json)' if content.get('imageData') else ''
        )
        draft.lose_image('JSON files without an image (left out)', f'{where}: no image {shown(named)}{embedded}')
        return None
    size: Any = content.get('imageWidth'), content.get('imageHeight')
    return draft.add(part or 'all', Picture(image, where, stated=size if all(map(is_number, size)) else None))


def _shapes(draft: Draft, file: str, entries: list, picture: Picture) -> list[Shape]:
    shapes: list[Shape] = []
    groups: dict[tuple, Shape] = {}
    for index, entry in enumerate(entries):
        where = f'{file}: shapes[{index}]'
        shape = _shape(draft, where, entry, picture)
        if shape is None:
            continue
        group = entry.get('group_id')
        identifier = (shape.label, str(group))
        if group is not None and identifier in groups:
            _join(groups[identifier], shape)
            continue
        groups[identifier if group is not None else (index,)] = shape
        shapes.append(shape)
    return shapes


def _join(shape: Shape, other: Shape) -> None:
    """Makes another shape a part of the first."""
    boxes = [each.box or extent(cast(list, each.mask)) for each in (shape, other)]
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
    shape.box = left, top, right - left, bottom - top
    if isinstance(shape.mask, list) and isinstance(other.mask, list):
        shape.mask = [*shape.mask, *other.mask]
    shape.crowd |= other.crowd


def _shape(draft: Draft, where: str, entry: object, picture: Picture) -> Shape | None:
    if not isinstance(entry, dict) or not isinstance(entry.get('label'), (str, int)) or not str(entry['label']).strip():
        draft.lose('shapes without a label (left out)', f'{where} {shown(entry)}')
        return None
    label = str(entry['label']).strip()
    where = f'{where} ({label})'
    points = entry.get('points')
    if not (
        isinstance(points, list)
        and points
        and all(isinstance(point, (list, tuple)) and len(point) == 2 and all(map(is_number, point)) for point in points)
    ):
        draft.lose('shapes without points (left out)', f'{where}: {shown(points)}')
        return None
    flags = entry.get('flags')
    flags = flags if isinstance(flags, dict) else {}
    crowd = any(entry.get(name) is True or flags.get(name) is True for name in _IGNORED)
    shape = Shape(label, where, crowd=crowd)
    kind = entry.get('shape_type') or 'polygon'
    flat = [value for point in points for value in point]
    if kind == 'rectangle' and len(points) in (2, 4):
        shape.box = extent([flat])
    elif kind == 'circle' and len(points) == 2:
        (x, y), edge = points
        radius = float(np.hypot(edge[0] - x, edge[1] - y))
        shape.box, shape.mask = (x - radius, y - radius, 2 * radius, 2 * radius), [circle(x, y, radius)]
    elif kind in ('polygon', 'rotation', 'oriented_rectangle') and len(points) >= 3:
        shape.mask = [flat]
    elif kind == 'mask' and len(points) == 2:
        shape.box, shape.mask = extent([flat]), _encoded(entry.get('mask'), points, picture)
    elif kind in ('polygon', 'rectangle', 'circle'):
        draft.lose('shapes with too few points (left out)', f'{where}: {kind} of {len(points)}')
        return None
    else:
        draft.leave_out('shapes that are no area (left out)', f'{where}: {kind}')
        return None
    return shape


def _encoded(content: object, points: list, picture: Picture) -> dict | None:
    """A mask that is a PNG inside the file, of the box's size, as run lengths; None if it cannot be decoded."""
    if not isinstance(content, str) or not picture.stated:
        return None
    try:
        with Image.open(io.BytesIO(base64.b64decode(content))) as image:
            inside = np.asarray(image.convert('L')) > 0
    except (OSError, ValueError, binascii.Error, SyntaxError):
        return None
    whole = np.zeros((int(picture.stated[1]), int(picture.stated[0])), bool)
    left, top = (max(int(min(point[axis] for point in points)), 0) for axis in (0, 1))
    window = whole[top : top + inside.shape[0], left : left + inside.shape[1]]
    window |= inside[: window.shape[0], : window.shape[1]]
    if not whole.any():
        return None
    pixels = whole.ravel(order='F')
    ends = np.flatnonzero(np.diff(pixels)) + 1
    counts = np.diff([0, *ends, pixels.size]).tolist()
    return dict(size=list(whole.shape), counts=[0, *counts] if pixels[0] else counts)
