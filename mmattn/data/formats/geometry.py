"""Geometry of annotations: points of turned or resized images, polygons cut off at the image's edge."""

import math
from collections.abc import Callable, Iterable, Sequence

from mmattn.data.formats.draft import Box

Move = Callable[[float, float], tuple[float, float]]

# Of a circle as a polygon: a multiple of four, so that its box has the size of the circle.
_CORNERS = 64


def turned(orientation: int, stored: tuple[float, float]) -> Move:
    """Where a point of the stored image is after the EXIF orientation is applied.

    Args:
        orientation: EXIF orientation, 1 to 8.
        stored: (width, height) of the image as it is stored.
    """
    width, height = stored
    return {
        2: lambda x, y: (width - x, y),
        3: lambda x, y: (width - x, height - y),
        4: lambda x, y: (x, height - y),
        5: lambda x, y: (y, x),
        6: lambda x, y: (height - y, x),
        7: lambda x, y: (height - y, width - x),
        8: lambda x, y: (y, width - x),
    }.get(orientation, lambda x, y: (x, y))


def scaled(across: float, down: float) -> Move:
    """Where a point is after the image was resized.

    Args:
        across: Factor of the width.
        down: Factor of the height.
    """
    return lambda x, y: (x * across, y * down)


def moved_box(box: Box, move: Move) -> Box:
    """The box (x, y, width, height) around the moved corners of a box."""
    x, y, width, height = box
    first, second = move(x, y), move(x + width, y + height)
    left, top = min(first[0], second[0]), min(first[1], second[1])
    return left, top, abs(second[0] - first[0]), abs(second[1] - first[1])


def moved_polygon(polygon: Sequence[float], move: Move) -> list[float]:
    """A polygon [x, y, x, y, …] with all corners moved."""
    return [value for x, y in zip(polygon[0::2], polygon[1::2]) for value in move(x, y)]


def extent(polygons: Iterable[Sequence[float]]) -> Box:
    """The box (x, y, width, height) around polygons."""
    across = [value for polygon in polygons for value in polygon[0::2]]
    down = [value for polygon in polygons for value in polygon[1::2]]
    return min(across), min(down), max(across) - min(across), max(down) - min(down)


def polygon_area(polygon: Sequence[float]) -> float:
    """Area of a polygon that does not cross itself, in the square of its unit."""
    across, down = polygon[0::2], polygon[1::2]
    return (
        abs(
            sum(
                x * after[1] - after[0] * y
                for x, y, after in zip(across, down, zip([*across[1:], across[0]], [*down[1:], down[0]]))
            )
        )
        / 2
    )


def clip_box(box: Box, size: tuple[float, float]) -> Box | None:
    """The part of a box (x, y, width, height) that is in the image; None if there is none."""
    x, y, width, height = box
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + width, size[0]), min(y + height, size[1])
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None


def clip_polygon(polygon: Sequence[float], size: tuple[float, float]) -> list[float]:
    """The part of a polygon that is in the image (Sutherland and Hodgman, 1974); empty if there is none."""
    points = list(zip(polygon[0::2], polygon[1::2]))
    for axis, limit, sign in ((0, 0, 1), (0, size[0], -1), (1, 0, 1), (1, size[1], -1)):
        kept = []
        for before, point in zip([*points[-1:], *points[:-1]], points):
            inside, was_inside = sign * (point[axis] - limit) >= 0, sign * (before[axis] - limit) >= 0
            if inside != was_inside:
                share = (limit - before[axis]) / (point[axis] - before[axis])
                crossing = [start + share * (end - start) for start, end in zip(before, point)]
                crossing[axis] = limit
                kept.append((crossing[0], crossing[1]))
            if inside:
                kept.append(point)
        points = kept
    return [value for point in points for value in point]


def circle(x: float, y: float, radius: float) -> list[float]:
    """A circle as a polygon with a corner at each end of its box.

    Args:
        x: Column of the centre.
        y: Row of the centre.
        radius: Radius in the same unit.
    """
    angles = (2 * math.pi * step / _CORNERS for step in range(_CORNERS))
    return [value for angle in angles for value in (x + radius * math.cos(angle), y + radius * math.sin(angle))]
