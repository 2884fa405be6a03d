"""Assembly of parts in COCO's form from a draft: image sizes, boxes in pixels of the loaded image, class numbers."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmattn.data.formats.draft import Box, Draft, Mask, Picture, Shape
from mmattn.data.formats.geometry import polygon_area
from mmattn.data.formats.part import Part
from mmattn.data.formats.placement import annotated_as_stored, place
from mmattn.data.formats.tree import Tree, key
from mmattn.data.images import read_sizes
from mmattn.data.text import few, shown

# A data set in which fewer objects than this share have a mask is one of boxes.
_MASKS = 0.5


def assemble(draft: Draft, tree: Tree, workers: int | None = None) -> tuple[tuple[str, ...], str, dict[str, Part]]:
    """Looks at the images of a draft and puts its parts together; what is wrong is added to the draft's findings.

    Args:
        draft: What a reader found.
        tree: Files of the data set.
        workers: Number of threads that read image sizes; None: one for each CPU.

    Returns:
        Names of the classes; the task ('boxes', 'masks', 'classes' or 'semantic'); the parts by their names.
    """
    _leave_out_strays(draft, tree)
    _merge_repeated(draft, tree)
    paths = list(dict.fromkeys(picture.path for picture in draft.all_pictures()))
    sizes: dict[Path, Any] = dict(zip(paths, read_sizes(paths, 'image sizes', workers), strict=True))
    for name, pictures in draft.pictures.items():
        draft.pictures[name] = [each for each in pictures if _is_usable(draft, each, sizes[each.path], tree)]
    stored = annotated_as_stored(draft, sizes)
    for picture in draft.all_pictures():
        place(draft, picture, sizes[picture.path], stored)
    classes = _classes(draft)
    task = _task(draft)
    numbers = {name: number for number, name in enumerate(classes)}
    parts = {name: _part(pictures, tree, sizes, numbers, task) for name, pictures in draft.pictures.items() if pictures}
    return classes, task, parts


def _leave_out_strays(draft: Draft, tree: Tree) -> None:
    """Images of no part beside those of parts, which may be copies of these."""
    if len(draft.pictures) > 1:
        for picture in draft.pictures.pop('all', ()):
            draft.leave_out(
                'images of no part, beside those of train, val or test (left out)', tree.relative(picture.path)
            )
    if len(draft.pictures) == 1 and 'train' not in draft.pictures and 'all' not in draft.pictures:
        part, pictures = draft.pictures.popitem()
        draft.note(
            f'all images are of the part {part} by the names of folders or files, so it counts as the whole data set'
        )
        draft.pictures['all'] = pictures
    elif set(draft.pictures) == {'val', 'test'}:
        draft.findings.add('images to train missing', 'there are only those of val and test')
    draft.pictures = {name: draft.pictures[name] for name in ('train', 'val', 'test', 'all') if name in draft.pictures}


def _merge_repeated(draft: Draft, tree: Tree) -> None:
    """One entry for an image that several annotations of a part name, in the order of the images' names."""
    homes: dict[Path, str] = {}
    for name, pictures in draft.pictures.items():
        merged: dict[Path, Picture] = {}
        for picture in sorted(pictures, key=lambda each: tree.relative(each.path)):
            first = merged.setdefault(picture.path, picture)
            if first is not picture:
                if first.label != picture.label or (first.relative, first.stated) != (picture.relative, picture.stated):
                    draft.leave_out(
                        'annotations of an image that has another one (left out)',
                        f'{tree.relative(picture.path)}: {picture.where}',
                    )
                    continue
                draft.doubt(
                    'images with several annotations (all of them count)',
                    f'{tree.relative(picture.path)}: {first.where}, {picture.where}',
                )
                first.shapes = [*first.shapes, *picture.shapes]
            if homes.setdefault(picture.path, name) != name:
                draft.doubt('images in two parts', f'{tree.relative(picture.path)}: {homes[picture.path]} and {name}')
        draft.pictures[name] = list(merged.values())


def _is_usable(draft: Draft, picture: Picture, size: tuple[int, int] | OSError, tree: Tree) -> bool:
    name = tree.relative(picture.path)
    if isinstance(size, OSError):
        draft.lose_image('images that cannot be read (left out)', f'{name}: {size}')
        return False
    if picture.labels is not None and picture.stated != size:
        width, height = picture.stated or (0, 0)
        draft.lose_image(
            'label pictures of another size than their image (left out)',
            f'{picture.where}: {width} x {height}, the image is {size[0]} x {size[1]}',
        )
        return False
    try:
        name.encode('utf-8')
    except UnicodeEncodeError:
        draft.leave_out('images whose names are not UTF-8 (left out; rename them)', ascii(name))
        return False
    return True


def _classes(draft: Draft) -> tuple[str, ...]:
    """Names of the classes in the order of their labels."""
    counts = Counter(shape.label for picture in draft.all_pictures() for shape in picture.shapes)
    counts.update(picture.label for picture in draft.all_pictures() if picture.label is not None)
    classes = tuple(sorted(counts) if draft.classes is None else dict.fromkeys(draft.classes))
    empty = [name for name in classes if not counts[name]]
    if empty and counts:
        draft.note(f'{len(empty)} of {len(classes)} classes have no object: {few(empty)}')
    alike: dict[str, list[str]] = {}
    for name in classes:
        alike.setdefault(key(' '.join(name.replace('_', ' ').replace('-', ' ').split())), []).append(name)
    for names in alike.values():
        if len(names) > 1:
            draft.doubt(
                'classes whose names are nearly the same (each counts as a class of its own)',
                ', '.join(f'{shown(name)} (objects: {counts[name]})' for name in names),
            )
    return classes


def _task(draft: Draft) -> str:
    """What the annotations permit; where they permit masks, every object has one afterwards."""
    if any(picture.label is not None for picture in draft.all_pictures()):
        return 'classes'
    if any(picture.labels is not None for picture in draft.all_pictures()):
        return 'semantic'
    shapes = [shape for picture in draft.all_pictures() for shape in picture.shapes]
    objects = [shape for shape in shapes if not shape.crowd] or shapes
    masked = [shape for shape in objects if shape.mask]
    if not masked:
        return 'boxes'
    if all(isinstance(shape.mask, list) and _is_rectangle(shape.mask, shape.placed) for shape in masked):
        draft.note('all polygons are the rectangles of their boxes, so it counts as a data set of boxes')
        return 'boxes'
    if len(masked) < _MASKS * len(objects):
        draft.note(f'{len(masked)} of {len(objects)} objects have a mask, so it counts as a data set of boxes')
        return 'boxes'
    without = [shape for shape in shapes if not shape.mask]
    for shape in without:
        draft.doubt('objects without a mask (their box is taken for it)', shape.where)
    if all(isinstance(shape.mask, list) and len(shape.mask) == 1 and len(shape.mask[0]) == 8 for shape in masked):
        draft.note(
            'all polygons have four corners; if they are rotated boxes, --task boxes takes the upright '
            'boxes around them'
        )
    return 'masks'


def _is_rectangle(polygons: Mask, box: Box) -> bool:
    if len(polygons) != 1 or len(polygons[0]) not in (8, 10):
        return False
    x, y, width, height = box
    corners = {(round(across, 1), round(down, 1)) for across, down in zip(polygons[0][0::2], polygons[0][1::2])}
    near = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    return len(corners) == 4 and all(
        any(abs(across - corner[0]) <= 1 and abs(down - corner[1]) <= 1 for corner in near) for across, down in corners
    )


def _part(pictures: Sequence[Picture], tree: Tree, sizes: dict, numbers: dict[str, int], task: str) -> Part:
    part = Part(tree.root)
    for picture in pictures:
        width, height = sizes[picture.path]
        image = dict(id=len(part.images) + 1, file_name=tree.relative(picture.path), width=width, height=height)
        if picture.label is not None:
            image['label'] = numbers[picture.label]
        if picture.labels is not None:
            image.update(labels=tree.relative(picture.labels), pixels=picture.pixels)
        part.images.append(image)
        for shape in picture.shapes:
            part.annotations.append(
                dict(
                    id=len(part.annotations) + 1,
                    image_id=image['id'],
                    category_id=numbers[shape.label] + 1,
                    bbox=list(shape.placed),
                    area=_area(shape),
                    iscrowd=int(shape.crowd),
                    **_segmentation(shape, task),
                )
            )
    return part


def _segmentation(shape: Shape, task: str) -> dict:
    if shape.mask:
        return dict(segmentation=shape.mask)
    if task != 'masks':
        return {}
    x, y, width, height = shape.placed
    return dict(segmentation=[[x, y, x + width, y, x + width, y + height, x, y + height]])


def _area(shape: Shape) -> float:
    box = shape.placed[2] * shape.placed[3]
    if shape.area is not None and 0 < shape.area <= box + 1:
        return shape.area
    if isinstance(shape.mask, list):
        return min(sum(map(polygon_area, shape.mask)), box) or box
    return box
