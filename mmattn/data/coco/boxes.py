"""Boxes, areas and crowds of annotations: what mmdet and pycocotools make of them."""

from collections.abc import Mapping, Sequence

from mmattn.data.coco.images import Picture, Size
from mmattn.data.coco.values import is_number
from mmattn.data.report import Report
from mmattn.data.text import shown

# Boxes written with decimals may stick out by what rounding added; in pixels.
TOLERANCE = 0.5

CORNERS = 'boxes that look like [left, top, right, bottom]'

OUTSIDE, FAR_OUTSIDE = 'boxes outside the image', 'boxes far outside the image'


def check_box(report: Report, entry: dict, picture: Picture | None, where: object) -> bool:
    """Whether mmdet keeps an annotation for its box and area; problems are added to the report.

    Args:
        report: Report that problems are added to.
        entry: The annotation.
        picture: Its image; None if there is none.
        where: Words that name the annotation.
    """
    box, area = entry.get('bbox'), entry.get('area', 1)
    if not (isinstance(box, list) and len(box) == 4 and all(map(is_number, box))):
        if 'bbox' in entry:
            report.problems.add('boxes that are not four numbers', f'{where}: {shown(box)}')
        return False
    if not is_number(area):
        report.problems.add('areas that are no numbers', f'{where}: {shown(area)}')
        return False
    left, top, width, height = box
    if width <= 0 or height <= 0 or area <= 0:
        report.problems.add('empty boxes', f'{where}: {shown(box)}, area {shown(area)}', left_out=True)
        return False
    if width < 1 or height < 1:
        report.problems.add(
            'boxes thinner than a pixel (mmdet leaves them out)', f'{where}: {shown(box)}', left_out=True
        )
        return False
    if area > width * height + 1:
        report.problems.add('areas larger than the box', f'{where}: {shown(box)}, area {shown(area)}', doubtful=True)
    if picture is None or picture.size is None:
        return True
    return _check_place(report, box, picture, picture.size, where)


def _check_place(report: Report, box: list, picture: Picture, size: Size, where: object) -> bool:
    """Whether mmdet keeps the box for where it is in the image."""
    left, top, width, height = box
    right, bottom = left + width, top + height
    across, down = size
    limits = picture.stated or size  # mmdet goes by what the file says
    outside = right <= 0 or bottom <= 0 or left >= limits[0] or top >= limits[1]
    if not outside and min(left, top) >= -TOLERANCE and right <= across + TOLERANCE and bottom <= down + TOLERANCE:
        return True
    where = f'{where}: {shown(box)}, image {shown(across)} x {shown(down)}'
    if outside:
        report.problems.add('boxes wholly outside the image', where, left_out=True)
        return False
    if picture.stated and picture.actual and picture.stated != picture.actual:
        report.problems.add('boxes that do not fit an image of another size than annotated', where)
    elif left < -across or top < -down or right > 2 * across or bottom > 2 * down:
        report.problems.add(FAR_OUTSIDE, where)
    else:
        report.problems.add(OUTSIDE, where, doubtful=True)
    return True


def check_corners(report: Report, entries: Sequence[dict], pictures: Mapping[int | str, Picture]) -> None:
    """Reports boxes written as [left, top, right, bottom] instead of [left, top, width, height].

    Args:
        report: Report with the problems of all boxes, to which this one is added.
        entries: Annotations with boxes of numbers, of known images.
        pictures: The images by their ids.
    """
    outside = report.problems.count(OUTSIDE) + report.problems.count(FAR_OUTSIDE)
    if outside < 3 or 2 * outside < len(entries):
        return
    for entry in entries:
        left, top, right, bottom = entry['bbox']
        across, down = pictures[entry['image_id']].size or (0, 0)
        if not (left < right <= across + TOLERANCE and top < bottom <= down + TOLERANCE):
            return
    report.problems.add(
        CORNERS,
        f'all {len(entries)}: as [left, top, width, height], which is read, {outside} are not inside their images',
    )


def check_crowd(report: Report, entry: dict, where: object, evaluated: bool) -> None:
    """Looks at ``iscrowd``, which mmdet takes as true or false, and pycocotools as a number.

    Args:
        report: Report that problems are added to.
        entry: The annotation.
        where: Words that name the annotation.
        evaluated: Whether pycocotools reads the file.
    """
    crowd = entry.get('iscrowd', ...)
    if crowd is ...:
        kind = 'fields missing' if evaluated else 'annotations without iscrowd'
        report.problems.add(kind, f'{where}: iscrowd', doubtful=not evaluated)
    elif crowd is None:
        report.problems.add('annotations whose iscrowd is null', f'{where}', doubtful=not evaluated)
    elif not isinstance(crowd, (int, float)) or crowd not in (0, 1):
        report.problems.add('annotations whose iscrowd is neither 0 nor 1', f'{where}: {shown(crowd)}')
