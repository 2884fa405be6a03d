"""Pictures of what a detector gets wrong: boxes in a colour for each kind of mistake, with a legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageColor, ImageDraw

from mmattn.analysis.runs.legend import with_legend
from mmattn.analysis.runs.objects import font_of, write_at_box
from mmattn.analysis.runs.pictures import scaled
from mmattn.engine.drawn_text import in_one_font

from .mistakes import FALSE, MISSED, RIGHT, WRONG

# Okabe and Ito's colours, which people with colour blindness tell apart.
COLORS = {RIGHT: '#56b4e9', MISSED: '#f0e442', FALSE: '#d55e00', WRONG: '#cc79a7'}
MEANING = {RIGHT: 'right', MISSED: 'missed object', FALSE: 'false detection', WRONG: 'wrong class'}
SMALLEST, LARGEST, CROP = 480, 960, 320  # longer side of a picture, pixels
LINE, FONT, DASH = 3, 13, 7


@dataclass(frozen=True)
class MarkedBox:
    """A box to draw.

    Args:
        kind: What it is: 'right', 'missed', 'false detection' or 'wrong class'.
        box: x, y, width, height in pixels of the image.
        text: Text at the box, '' for none.
    """

    kind: str
    box: Sequence[float]
    text: str = ''


def draw_mistakes(image: Image.Image, boxes: Sequence[MarkedBox]) -> Image.Image:
    """An image with what is right and wrong in it, above a legend with the numbers.

    Args:
        image: RGB image.
        boxes: Boxes; mistakes are drawn over what is right.
    """
    longer = max(image.size)
    scale = min(max(longer, SMALLEST), LARGEST) / longer
    picture = image.resize(scaled(image.size, scale), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    order = sorted(boxes, key=lambda one: list(COLORS).index(one.kind))
    for one in order:
        _draw_box(pen, [value * scale for value in one.box], one.kind)
    for one in order:
        if one.text:
            x, y, width, height = (value * scale for value in one.box)
            [text], font = in_one_font([one.text])
            write_at_box(
                pen,
                text,
                (x, y, x + width, y + height),
                ImageColor.getrgb(COLORS[one.kind])[:3],
                font_of(font, FONT),
                picture.size,
            )
    numbers = {kind: sum(one.kind == kind for one in boxes) for kind in COLORS}
    return with_legend(
        picture, [(COLORS[kind], f'{MEANING[kind]}: {number}') for kind, number in numbers.items() if number]
    )


def draw_crop(image: Image.Image, box: Sequence[float]) -> Image.Image:
    """A detection with what is around it, enlarged; square unless the image is too small for that.

    Args:
        image: RGB image.
        box: x, y, width, height of the detection in pixels.
    """
    x, y, width, height = box
    length = max(32, round(2.2 * max(width, height)))
    left, top = (
        max(0, min(round(start + extent / 2 - length / 2), whole - length))
        for start, extent, whole in ((x, width, image.width), (y, height, image.height))
    )
    part = image.crop((left, top, min(left + length, image.width), min(top + length, image.height)))
    scale = CROP / max(part.size)
    part = part.resize(scaled(part.size, scale), Image.Resampling.BICUBIC)
    _draw_box(ImageDraw.Draw(part), [(x - left) * scale, (y - top) * scale, width * scale, height * scale], FALSE)
    return part


def _draw_box(pen: ImageDraw.ImageDraw, box: Sequence[float], kind: str) -> None:
    """Missed objects are dashed, and a dark border keeps each line apart from a light image."""
    x, y, width, height = box
    corners = [x, y, x + max(width, 1), y + max(height, 1)]
    if kind == MISSED:
        _dashed(pen, corners, COLORS[kind])
        return
    line = LINE - (kind == RIGHT)
    pen.rectangle([corners[0] - 1, corners[1] - 1, corners[2] + 1, corners[3] + 1], outline='#000000', width=line + 2)
    pen.rectangle(corners, outline=COLORS[kind], width=line)


def _dashed(pen: ImageDraw.ImageDraw, corners: Sequence[float], color: str) -> None:
    left, top, right, bottom = corners
    for start, end in (
        ((left, top), (right, top)),
        ((right, top), (right, bottom)),
        ((right, bottom), (left, bottom)),
        ((left, bottom), (left, top)),
    ):
        length = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
        step = ((end[0] - start[0]) / length, (end[1] - start[1]) / length)
        pen.line([start, end], fill='#000000', width=LINE)
        for at in range(0, int(length), 2 * DASH):
            stop = min(at + DASH, length)
            pen.line(
                [
                    (start[0] + step[0] * at, start[1] + step[1] * at),
                    (start[0] + step[0] * stop, start[1] + step[1] * stop),
                ],
                fill=color,
                width=LINE,
            )
