"""Colours of classes in label pictures and in the pictures that are drawn of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .objects import distinct_colors

Color = tuple[int, int, int]
# Of a class that is called so: as in the label pictures of Pascal VOC. What is black is not painted over an image.
BLACK: Color = (0, 0, 0)
BACKGROUND = frozenset(('background', '_background_', '__background__', 'bg'))


def class_colors(names: Sequence[str], palette: Sequence[Sequence[int]] | None = None) -> tuple[Color, ...]:
    """An RGB colour from 0 to 255 for each class.

    Args:
        names: Names of the classes, in the order of the labels.
        palette: Colours that the data set or the checkpoint names. Where there is none for each class, or where they
            are those that mmsegmentation draws at random for a data set without any, the classes have saturated
            colours with different hues, and the background is black.
    """
    if palette is not None and len(palette) == len(names):
        found = tuple((int(red), int(green), int(blue)) for red, green, blue in palette)
        if found != _random(len(names)):
            return found
    hues = iter(distinct_colors(len(names)))
    return tuple(BLACK if str(name).strip().lower() in BACKGROUND else next(hues) for name in names)


def _random(count: int) -> tuple[Color, ...]:
    """The colours that mmseg's BaseSegDataset gives to classes without."""
    return tuple(map(tuple, np.random.RandomState(42).randint(0, 255, size=(count, 3)).tolist()))
