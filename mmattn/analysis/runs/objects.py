"""Objects drawn in an image: boxes, masks and texts, each object in its colour."""

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torchvision.transforms.functional import pil_to_tensor

from mmattn.engine.drawn_text import in_one_font


@dataclass
class Instances:
    """Objects in an image.

    Args:
        boxes: Boxes of the objects, (N, 4), x1 y1 x2 y2 in pixels.
        masks: Boolean masks of the objects, (N, H, W), or what has this shape and each mask by its index; or None.
        names: Texts to write at the boxes, one for each object, or None.
    """

    boxes: torch.Tensor
    masks: Any = None
    names: list[str] | None = None

    def __len__(self) -> int:
        return len(self.boxes)


def distinct_colors(count: int) -> list[tuple[int, int, int]]:
    """Saturated RGB colours from 0 to 255; steps of the golden ratio keep the hues of neighbours apart.

    Args:
        count: Number of colours.
    """
    golden = (math.sqrt(5) - 1) / 2
    colors = (colorsys.hsv_to_rgb(index * golden % 1, 0.6 + 0.4 * (index % 2), 1) for index in range(count))
    return [(round(255 * red), round(255 * green), round(255 * blue)) for red, green, blue in colors]


def draw_objects(
    image: Image.Image,
    instances: Instances,
    colors: Sequence[tuple[int, int, int]],
    size: int,
    font_size: int = 12,
    line: int = 1,
) -> Image.Image:
    """An image with objects drawn in: boxes, masks and the texts at the boxes.

    Of the masks only the outlines are opaque, so that the image stays visible.

    Args:
        image: RGB image.
        instances: Objects in the image.
        colors: RGB colour of each object, from 0 to 255.
        size: Longer side in pixels that the image is enlarged or reduced to.
        font_size: Height of the texts in pixels.
        line: Width of the boxes' lines in pixels.
    """
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    canvas = pil_to_tensor(image.resize((width, height), Image.Resampling.BICUBIC))
    if not len(instances):
        return _to_image(canvas)
    if instances.masks is not None:
        canvas = _paint_masks(canvas, instances.masks, colors)
    corners = (instances.boxes * scale).clamp(min=0)
    corners[:, 0::2].clamp_(max=width - 1)
    corners[:, 1::2].clamp_(max=height - 1)
    picture = _to_image(canvas)
    pen, boxes = ImageDraw.Draw(picture), corners.round().tolist()
    for box, color in reversed(list(zip(boxes, colors, strict=True))):  # the best on top
        pen.rectangle(box, outline=color, width=line)
    if instances.names:
        texts, font = in_one_font(instances.names)
        for box, color, text in reversed(list(zip(boxes, colors, texts, strict=True))):
            write_at_box(pen, text, box, color, font_of(font, font_size), picture.size)
    return picture


def write_at_box(
    pen: ImageDraw.ImageDraw,
    text: str,
    box: Sequence[float],
    color: tuple[int, int, int],
    font: ImageFont.FreeTypeFont,
    size: tuple[int, int],
) -> None:
    """Writes a text on a ground of the box's colour: above the box, or in it where there is no room above.

    Args:
        pen: What draws on the picture.
        text: The text, of letters that the font has.
        box: x1, y1, x2, y2 in pixels of the picture.
        color: RGB colour of the box, from 0 to 255.
        font: Font of the text.
        size: Width and height of the picture in pixels.
    """
    left, top, right, bottom = pen.textbbox((0, 0), text, font)
    width, height = right - left + 4, bottom - top + 4
    x = max(0, min(box[0], size[0] - width))
    y = box[1] - height if box[1] >= height else max(0, box[1])
    pen.rectangle((x, y, x + width, y + height), fill=color)
    bright = 0.3 * color[0] + 0.59 * color[1] + 0.11 * color[2] > 127
    pen.text((x + 2 - left, y + 2 - top), text, 'black' if bright else 'white', font)


def _paint_masks(canvas: torch.Tensor, masks: torch.Tensor, colors: Sequence[tuple[int, int, int]]) -> torch.Tensor:
    """Tints the objects of a (3, H, W) picture and draws their outlines opaquely.

    Where masks overlap, the first is on top; torchvision's draw_segmentation_masks blackens such places, and draws no
    outlines.
    """
    owner = torch.zeros(masks.shape[1:], dtype=torch.int32)  # 1 + index of the object, 0 for none
    for index in reversed(range(len(masks))):
        owner[masks[index]] = index + 1
    return paint(canvas, owner, colors)


def paint(
    canvas: torch.Tensor, owner: torch.Tensor, colors: Sequence[tuple[int, int, int]], opacity: float = 0.3
) -> torch.Tensor:
    """Tints a picture by what its pixels belong to, with opaque outlines, in place, and returns it.

    Args:
        canvas: RGB picture, (3, H, W), uint8.
        owner: 1 + index of the colour of each pixel, 0 for none, at any resolution, (h, w), int32.
        colors: RGB colours from 0 to 255.
        opacity: Opacity of the paint between the outlines, from 0 to 1.
    """
    height, width = canvas.shape[1:]
    rows, columns = (torch.arange(new) * old // new for new, old in zip((height, width), owner.shape, strict=True))
    owner = owner[rows][:, columns]
    painted = owner > 0
    tint = torch.tensor(colors)[owner[painted].long() - 1].T
    opaque = torch.where(_edges(owner)[painted], 1.0, opacity)
    canvas[:, painted] = (opaque * tint + (1 - opaque) * canvas[:, painted]).round().to(torch.uint8)
    return canvas


def _edges(owner: torch.Tensor, width: int = 2) -> torch.Tensor:
    """Where another owner is within `width` pixels, up, down, left or right."""
    edges = torch.zeros_like(owner, dtype=torch.bool)
    across = owner[width:] != owner[:-width]
    along = owner[:, width:] != owner[:, :-width]
    edges[width:] |= across
    edges[:-width] |= across
    edges[:, width:] |= along
    edges[:, :-width] |= along
    return edges


def _to_image(canvas: torch.Tensor) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(canvas.permute(1, 2, 0).numpy()))


@lru_cache
def font_of(path: str, size: int) -> ImageFont.FreeTypeFont:
    """A font by the path of its file and the height of its letters in pixels."""
    return ImageFont.truetype(path, size)
