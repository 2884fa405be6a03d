"""Colours of classes: as one number each, in Pascal VOC's order, and as the palette of an image."""

from __future__ import annotations

from collections.abc import Iterable

from PIL import Image

Colour = tuple[int, int, int]

BLACK = 0
# Of the borders around the objects of Pascal VOC, which belong to no class.
VOID = 0xE0E0C0


def packed(colour: Iterable[int]) -> int:
    """Red, green and blue, 0 to 255 each, as one number."""
    red, green, blue = colour
    return red << 16 | green << 8 | blue


def unpacked(number: int) -> Colour:
    """Red, green and blue of a `packed` colour."""
    return number >> 16 & 255, number >> 8 & 255, number & 255


def palette_of(image: Image.Image, numbers: Iterable[int]) -> dict[int, int]:
    """The `packed` colours that an indexed image has for some of its numbers.

    Args:
        image: Image of the mode P.
        numbers: Numbers of its pixels; beyond the palette, where some programs write them, they are black.
    """
    colours = image.getpalette('RGB') or []
    return {
        each: packed(colours[3 * each : 3 * each + 3]) if 3 * each + 3 <= len(colours) else BLACK for each in numbers
    }


def voc_colour(label: int) -> Colour:
    """The colour that Pascal VOC gives to a label, 0 to 255: (0, 0, 0), (128, 0, 0), (0, 128, 0), …

    The bits of the label by turns are the highest bits of red, green and blue, then the next ones, as in VOC's own
    ``VOClabelcolormap.m``.
    """
    colour = [0, 0, 0]
    for place in range(8):
        for channel in range(3):
            colour[channel] |= (label >> 3 * place + channel & 1) << 7 - place
    return colour[0], colour[1], colour[2]


VOC_LABELS = {packed(voc_colour(label)): label for label in range(256)}
