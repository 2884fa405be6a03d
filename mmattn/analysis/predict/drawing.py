"""Pictures of what was found in an image: boxes, masks, class names and scores drawn in."""

from __future__ import annotations

from PIL import Image

from mmattn.analysis.runs.objects import Instances, distinct_colors, draw_objects
from mmattn.analysis.runs.pictures import PANEL, draw_answer
from mmattn.analysis.shown_image import to_rgb

from .found import Classes, Detections
from .reading import LoadedImage

# Lines that a classifier's picture has above the image.
LINES = 3
# Longest side of a JPEG file in pixels.
LONGEST = 65500


def draw_found(image: LoadedImage, found: Detections | Classes, classes: int, enlarged: bool = True) -> Image.Image:
    """A picture of an image with what was found in it.

    Objects have the colour of their class; where there is but one class, each has a colour of its own, and its score
    alone beside it.

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
