"""Columns of a CSV of boxes, by the names that people call them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# Names without signs and in small letters, the usual ones first.
_IMAGE = (
    'filename',
    'filepath',
    'imagepath',
    'imagename',
    'image',
    'imageid',
    'imgname',
    'imgpath',
    'img',
    'imgid',
    'file',
    'path',
    'fname',
    'name',
    'id',
)
_LABEL = (
    'class',
    'label',
    'classname',
    'labelname',
    'category',
    'categoryname',
    'object',
    'objectclass',
    'species',
    'target',
    'type',
    'classid',
    'labelid',
)
_LEFT = ('xmin', 'x1', 'left', 'minx', 'xleft', 'x0', 'bboxxmin', 'bboxx1', 'bboxleft', 'topleftx', 'tlx', 'xtl')
_TOP = ('ymin', 'y1', 'top', 'miny', 'ytop', 'y0', 'bboxymin', 'bboxy1', 'bboxtop', 'toplefty', 'tly', 'ytl')
_RIGHT = ('xmax', 'x2', 'right', 'maxx', 'xright', 'bboxxmax', 'bboxx2', 'bboxright', 'bottomrightx', 'brx', 'xbr')
_BOTTOM = ('ymax', 'y2', 'bottom', 'maxy', 'ybottom', 'bboxymax', 'bboxy2', 'bboxbottom', 'bottomrighty', 'bry', 'ybr')
_CENTRE_X = ('xcenter', 'centerx', 'xcentre', 'centrex', 'cx', 'xc')
_CENTRE_Y = ('ycenter', 'centery', 'ycentre', 'centrey', 'cy', 'yc')
_X, _Y = ('x', 'bboxx'), ('y', 'bboxy')
_WIDTH = ('w', 'width', 'bboxwidth', 'bboxw', 'boxwidth', 'bw')
_HEIGHT = ('h', 'height', 'bboxheight', 'bboxh', 'boxheight', 'bh')
_IMAGE_WIDTH = ('imagewidth', 'imgwidth', 'imgw', 'imagew')
_IMAGE_HEIGHT = ('imageheight', 'imgheight', 'imgh', 'imageh')
_BOX = ('bbox', 'box', 'boundingbox')
_PART = ('split', 'set', 'subset', 'part', 'usage', 'datasplit')
_CROWD = ('difficult', 'iscrowd', 'crowd', 'ignore', 'isgroupof')


@dataclass(frozen=True)
class Columns:
    """Places of the columns in a row.

    Args:
        image: Column of the image's path.
        box: Columns of four numbers, or of one text with all four.
        form: What the four numbers are: 'corners', 'size' (left, top, width, height) or 'centre'.
        label: Column of the class; None where there is only one class.
        size: Columns of the image's width and height.
        part: Column of the part of the data set.
        crowd: Columns of marks of objects that are ignored.
    """

    image: int
    box: tuple[int, ...]
    form: str
    label: int | None = None
    size: tuple[int, ...] | None = None
    part: int | None = None
    crowd: tuple[int, ...] = ()


# keras-retinanet's rows without a header: path, x1, y1, x2, y2, class.
HEADERLESS = Columns(0, (1, 2, 3, 4), 'corners', 5)


def columns_of(header: Sequence[str]) -> Columns | None:
    """The columns that a header names; None if there are none for an image and a box."""
    names = [re.sub(r'[^a-z0-9]', '', name.lower()) for name in header]

    def place(words: Sequence[str]) -> int | None:
        return next((names.index(word) for word in words if word in names), None)

    def places(*groups: Sequence[str]) -> tuple[int, ...] | None:
        found = [index for group in groups if (index := place(group)) is not None]
        return tuple(found) if len(found) == len(groups) else None

    image = place(_IMAGE)
    size = places(_IMAGE_WIDTH, _IMAGE_HEIGHT)
    box, form = places(_LEFT, _TOP, _RIGHT, _BOTTOM), 'corners'
    if box is None and 'x0' in names:
        box = places(('x0',), ('y0',), ('x1',), ('y1',))
    if box is not None:
        size = size or places(_WIDTH, _HEIGHT)
    else:
        box, form = places(_CENTRE_X, _CENTRE_Y, _WIDTH, _HEIGHT), 'centre'
    if box is None:
        box, form = places((*_X, *_LEFT), (*_Y, *_TOP), _WIDTH, _HEIGHT), 'size'
    if box is None and (only := place(_BOX)) is not None:
        box = (only,)
        size = size or places(_WIDTH, _HEIGHT)
    if image is None or box is None:
        return None
    marks = tuple(names.index(word) for word in _CROWD if word in names)
    return Columns(image, box, form, place(_LABEL), size, place(_PART), marks)
