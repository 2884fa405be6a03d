"""Pictures of what was found in an image: boxes, masks, class names and scores drawn in, or pixels by class."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from mmattn.analysis.runs.label_pictures import class_entries, draw_labels
from mmattn.analysis.runs.legend import with_legend
from mmattn.analysis.runs.objects import Instances, distinct_colors, draw_objects, font_of, write_at_box
from mmattn.analysis.runs.pictures import PANEL, draw_answer
from mmattn.analysis.shown_image import to_rgb
from mmattn.engine.drawn_text import in_one_font

from .found import Classes, Found, Labels
from .reading import LoadedImage

# Lines that a classifier's picture has above the image, and classes of pixels that are named in a frame of a video.
LINES, NAMED = 3, 6
# Longest side of a JPEG file in pixels.
LONGEST = 65500


def draw_found(image: LoadedImage, found: Found, classes: int, enlarged: bool = True) -> Image.Image:
    """A picture of an image with what was found in it.

    Objects have the colour of their class; where there is but one class, each has a colour of its own, and its score
    alone beside it. Pixels have the tint of their class, with a legend below the picture, or in a frame of a video.

    Args:
        image: Image as it was loaded.
        found: What was found in it.
        classes: Number of the model's classes.
        enlarged: Whether small images are enlarged, so that texts are legible, and objects of one class told apart by
            colour; frames of a video are not.
    """
    picture = to_rgb(image.pixels)
    if isinstance(found, Classes):
        return draw_answer(picture, found.texts()[:LINES])
    if isinstance(found, Labels):
        return _draw_labels(picture, found, enlarged)
    labels = found.labels.tolist()
    if classes == 1:
        texts = [f'{score:.2f}' for score in found.scores.tolist()]
        colors = distinct_colors(len(found)) if enlarged else distinct_colors(1) * len(found)
    else:
        texts = found.texts()
        palette = distinct_colors(max([classes, *(label + 1 for label in labels)]))
        colors = [palette[label] for label in labels]
    size = min(max(PANEL, *picture.size) if enlarged else max(picture.size), LONGEST)
    # So that a large image, looked at as a whole, shows texts and lines as a small one does.
    return draw_objects(
        picture, Instances(found.boxes, found.masks, texts), colors, size, max(12, size // 100), max(1, size // 640)
    )


def _draw_labels(image: Image.Image, found: Labels, enlarged: bool) -> Image.Image:
    size = min(max(PANEL, *image.size) if enlarged else max(image.size), LONGEST)
    picture = draw_labels(image, found.labels, found.colors, size)
    entries = class_entries(found.labels, found.names, found.colors)
    if enlarged:
        return with_legend(picture, entries)
    # In the picture, as all frames of a video are of one size.
    texts, font = in_one_font([text for _, text in entries[:NAMED]])
    height = max(12, size // 60)
    for row, (text, (color, _)) in enumerate(zip(texts, entries, strict=False)):
        top = row * (height + 6)
        write_at_box(ImageDraw.Draw(picture), text, (0, top, 0, top), color, font_of(font, height), picture.size)
    return picture


def label_picture(found: Labels) -> Image.Image:
    """A picture whose values are the labels: indexed, with the colours of the classes, or grey of 16 bits.

    Args:
        found: Class of each pixel; of more than 255 classes there is no picture with colours.
    """
    if found.labels.dtype != np.uint8:
        return Image.fromarray(found.labels)
    picture = Image.fromarray(found.labels, 'P')
    colors = np.zeros((256, 3), np.uint8)
    colors[: len(found.colors)] = found.colors
    colors[found.unsaid] = 255
    picture.putpalette(colors.tobytes())
    return picture
