"""Masks of annotations: polygons and run-length encodings that mmdet or pycocotools leave out or fail on."""

import math
from dataclasses import dataclass

from mmattn.data.coco.images import Size
from mmattn.data.coco.rle import run_lengths
from mmattn.data.coco.values import NUMBERS
from mmattn.data.findings import DOUBTFUL, LEFT_OUT, STOPS
from mmattn.data.text import shown

# Kind, effect, and the value that shows it.
Problem = tuple[str, str, str]

Extent = tuple[float, float, float, float]


@dataclass(frozen=True)
class MaskCheck:
    """Looks at the ``segmentation`` of one annotation after the other.

    Args:
        required: Whether a file of boxes alone, without any ``segmentation``, is not enough.
        polygons_only: Whether the pipeline takes polygons only (``poly2mask=False``).
        evaluated: Whether pycocotools reads the masks too, which fails where mmdet leaves an object out.
    """

    required: bool = False
    polygons_only: bool = False
    evaluated: bool = True

    def problem(self, segmentation: object, box: list | None, size: Size | None) -> Problem | None:
        """What is wrong with a mask; None if nothing is.

        Args:
            segmentation: The value, whatever it is; None where there is none.
            box: The annotation's box, four numbers; None: the mask need not be in it.
            size: (width, height) of the image; None if it is unknown.
        """
        if not segmentation:  # mmdet reads the mask of every object that it keeps
            return 'annotations without segmentation (the run fails on them)', STOPS, shown(segmentation)
        if isinstance(segmentation, list):
            return self._polygons(segmentation, box, size)
        if self.polygons_only:
            return self._unusable('masks that are no polygons, with poly2mask=False', segmentation)
        if isinstance(segmentation, dict):
            return self._encoded(segmentation, size)
        return 'masks that are neither polygons nor run-length encoded', STOPS, shown(segmentation)

    def _unusable(self, kind: str, value: object) -> Problem:
        return kind, STOPS if self.evaluated else LEFT_OUT, shown(value)

    def _polygons(self, polygons: list, box: list | None, size: Size | None) -> Problem | None:
        extents, short = [], []
        for polygon in polygons:
            if not isinstance(polygon, (list, dict, str)):
                return 'polygons that are not in a list of polygons', STOPS, shown(polygons)
            passed_over = len(polygon) % 2 or len(polygon) < 6
            if passed_over:
                short.append(polygon)
                # mmdet does not look at what these hold, and pycocotools does.
                if not self.evaluated or not isinstance(polygon, list) or len(polygon) < 2:
                    continue
            extent = _extent(polygon)
            if extent is None:
                return 'polygons with what is no finite number', STOPS, shown(polygon)
            if size is not None and _is_far(extent, size):
                return 'polygons far outside the image', STOPS, shown(polygon)
            if not passed_over:
                extents.append(extent)
        # pycocotools takes a first polygon of four numbers for a box, and fails on a shorter one and on what is none.
        fails = self.evaluated and (
            len(polygons[0]) <= 4 or not all(isinstance(each, list) and len(each) > 1 for each in polygons)
        )
        if not extents:
            return 'masks without a polygon of three points', STOPS if fails else LEFT_OUT, shown(polygons)
        if short:
            return (
                'polygons with an odd count of numbers, or fewer than three points',
                STOPS if fails else DOUBTFUL,
                shown(short[0]),
            )
        return _place(extents, polygons, box, size)

    def _encoded(self, mask: dict, size: Size | None) -> Problem | None:
        counts, shape = mask.get('counts'), mask.get('size')
        if shape is None or not isinstance(counts, (list, str)):
            return self._unusable('run-length encoded masks without size or counts', mask)
        if not (
            isinstance(shape, list) and len(shape) == 2 and all(type(length) is int and length > 0 for length in shape)
        ):
            return 'run-length encoded masks of a size that is not [height, width]', STOPS, shown(shape)
        if size is not None and tuple(shape) != (size[1], size[0]):
            return (
                'run-length encoded masks of another size than the image',
                STOPS,
                f'[height, width] is {shown(shape)}, the image {size[0]:g} x {size[1]:g}',
            )
        lengths = run_lengths(counts)
        if lengths is None:
            return 'run-length encoded masks with damaged counts', STOPS, shown(counts)
        if lengths.sum() != shape[0] * shape[1]:
            return (
                'run-length encoded masks whose counts do not add up to the size',
                STOPS,
                f'{lengths.sum()} instead of {shape[0]} x {shape[1]}',
            )
        if not lengths[1::2].any():
            return 'masks without a pixel', DOUBTFUL, shown(mask)
        return None


def _extent(polygon: list | dict | str) -> Extent | None:
    """(left, top, right, bottom) of a polygon; None if it is none."""
    if not isinstance(polygon, list) or not NUMBERS.issuperset(map(type, polygon)):
        return None
    try:
        if not math.isfinite(sum(polygon)):
            return None
    except OverflowError:
        return None
    across, down = polygon[0::2], polygon[1::2]
    return min(across), min(down), max(across), max(down)


def _is_far(extent: Extent, size: Size) -> bool:
    """Whether a polygon leaves its image by more than the image's size.

    pycocotools walks along the edges and needs memory for each step: 22 GB for an edge of 1e9 pixels.
    """
    left, top, right, bottom = extent
    return left < -size[0] or top < -size[1] or right > 2 * size[0] or bottom > 2 * size[1]


def _place(extents: list[Extent], polygons: list, box: list | None, size: Size | None) -> Problem | None:
    lefts, tops, rights, bottoms = zip(*extents, strict=True)
    left, top, right, bottom = min(lefts), min(tops), max(rights), max(bottoms)
    if left == right or top == bottom:
        return 'masks without a pixel', DOUBTFUL, shown(polygons)
    if size is not None:
        width, height = size
        if right <= 0 or bottom <= 0 or left >= width or top >= height:
            return 'masks wholly outside the image', STOPS, shown(polygons)
        if min(left, top) < -1 or right > width + 1 or bottom > height + 1:
            return 'polygons that stick out of the image', DOUBTFUL, shown(polygons)
    if box and (left >= box[0] + box[2] or right <= box[0] or top >= box[1] + box[3] or bottom <= box[1]):
        return 'masks wholly outside their box', STOPS, shown(polygons)
    return None
