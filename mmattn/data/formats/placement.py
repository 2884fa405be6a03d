"""Objects in the pixels of the loaded image: annotations scaled, turned with it, and cut off at its edge."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from mmattn.data.coco.boxes import TOLERANCE
from mmattn.data.coco.masks import MaskCheck
from mmattn.data.findings import DOUBTFUL
from mmattn.data.formats.draft import Draft, Picture, Shape
from mmattn.data.formats.geometry import Move, clip_box, clip_polygon, extent, moved_box, moved_polygon, scaled, turned
from mmattn.data.images import TRANSPOSED, read_orientation
from mmattn.data.text import shown

# Stated and real sizes in one proportion are those of an image that was resized after it was annotated.
_SAME_SCALE = 0.01

_MASK_CHECK = MaskCheck(evaluated=True)


def annotated_as_stored(draft: Draft, sizes: Mapping[Path, tuple[int, int]]) -> bool:
    """Whether images were annotated before their EXIF orientation was applied, which exchanged their sides.

    Args:
        draft: What a reader found, without the images that cannot be read.
        sizes: (width, height) of each image as it is loaded.
    """
    return any(
        not picture.relative
        and picture.stated
        and picture.stated != size
        and picture.stated == size[::-1]
        and read_orientation(picture.path) in TRANSPOSED
        for picture in draft.all_pictures()
        for size in [sizes[picture.path]]
    )


def place(draft: Draft, picture: Picture, size: tuple[int, int], stored: bool) -> None:
    """Moves the objects of an image to pixels of the loaded image, and leaves out what is not in it.

    Args:
        draft: Draft that gets what is left out and doubtful.
        picture: The image, whose objects are replaced.
        size: (width, height) of the loaded image.
        stored: Whether images of this data set were annotated before their EXIF orientation was applied.
    """
    move = _move(draft, picture, size, stored)
    kept: dict[str, Shape] = {}
    for shape in picture.shapes:
        if not _place_shape(draft, shape, move, size):
            continue
        same = kept.setdefault(repr((shape.label, shape.box, shape.mask, shape.crowd)), shape)
        if same is not shape:
            draft.leave_out('objects that repeat another (left out)', f'{shape.where}: as {same.where}')
    picture.shapes = list(kept.values())


def _move(draft: Draft, picture: Picture, size: tuple[int, int], stored: bool) -> Move | None:
    """How points of the annotation move to become points of the loaded image; None: they stay.

    Args:
        draft: Draft that doubts are added to.
        picture: The image.
        size: (width, height) of the loaded image.
        stored: Whether images of this data set were annotated before their EXIF orientation was applied, so that this
            holds for those, too, whose size does not show it.
    """
    if picture.relative:
        return scaled(*size)
    stated = picture.stated
    if not stated or min(stated) <= 0:
        return None
    if stated == size:
        orientation = read_orientation(picture.path) if stored else 1
        return turned(orientation, stated) if orientation != 1 else None
    where = f'{picture.where}: annotated as {stated[0]:g} x {stated[1]:g}, is {size[0]} x {size[1]}'
    if stated == size[::-1]:
        orientation = read_orientation(picture.path)
        if orientation in TRANSPOSED:
            draft.note('boxes that were annotated before the EXIF orientation was applied are turned with their image')
            return turned(orientation, stated)
        draft.doubt('images whose stated width and height are exchanged (boxes are taken as they are)', where)
        return None
    across, down = size[0] / stated[0], size[1] / stated[1]
    if abs(across / down - 1) < _SAME_SCALE and max(abs(size[0] - stated[0]), abs(size[1] - stated[1])) > 2:
        draft.doubt('images resized after they were annotated (boxes are scaled)', where)
        return scaled(across, down)
    draft.doubt('images of another size than annotated (boxes are taken as they are)', where)
    return None


def _place_shape(draft: Draft, shape: Shape, move: Move | None, size: tuple[int, int]) -> bool:
    """Whether an object is in the image, in whose pixels it is afterwards."""
    if isinstance(shape.mask, dict) and move is not None:
        draft.lose('run-length encoded masks of another size than the image (left out)', shape.where)
        return False
    if shape.box is None:
        shape.box = extent(cast(list, shape.mask))
    if move is not None:
        shape.box = moved_box(shape.box, move)
        shape.area = None
        if shape.mask:
            shape.mask = [moved_polygon(polygon, move) for polygon in shape.mask]
    position = f'{shape.where}: {shown([round(value, 2) for value in shape.box])}, image {size[0]} x {size[1]}'
    x, y, width, height = shape.box
    if width <= 0 or height <= 0:
        draft.lose('empty boxes (left out)', position)
        return False
    inside = clip_box(shape.box, size)
    if inside is None:
        draft.lose('boxes outside the image (left out)', position)
        return False
    if inside != shape.box and (x < 0 or y < 0 or x + width > size[0] or y + height > size[1]):
        if max(-x, -y, x + width - size[0], y + height - size[1]) > TOLERANCE:
            draft.doubt('boxes clipped to the image', position)
        shape.box, shape.area = inside, None
    if min(shape.box[2:]) < 1:
        draft.lose('boxes thinner than a pixel (left out)', position)
        return False
    return _place_mask(draft, shape, size)


def _place_mask(draft: Draft, shape: Shape, size: tuple[int, int]) -> bool:
    if isinstance(shape.mask, list):
        x, y, width, height = extent(shape.mask)
        if x < 0 or y < 0 or x + width > size[0] or y + height > size[1]:
            clipped = [clip_polygon(polygon, size) for polygon in shape.mask]
            shape.mask = [polygon for polygon in clipped if len(polygon) >= 6] or None
            if shape.mask is None:
                draft.lose('masks outside the image (left out)', shape.where)
                return False
    problem = _MASK_CHECK.problem(shape.mask, list(shape.placed), size) if shape.mask else None
    if problem and problem[1] != DOUBTFUL:
        draft.lose(f'{problem[0]} (left out)', f'{shape.where}: {problem[2]}')
        return False
    return True
