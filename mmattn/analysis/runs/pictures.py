"""Pictures of predictions beside ground truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw
from torchvision.ops import box_iou

from mmattn.engine.drawn_text import in_one_font
from mmattn.files import atomic_path

from .objects import Instances, distinct_colors, draw_objects, font_of

UNMATCHED = (255, 255, 255)
PANEL = 640  # longer side of an image in a picture, pixels
MARGIN = 8
CAPTION = 'a prediction has the colour of the object that it overlaps by an IoU of 0.5 or more, or is white'


@dataclass
class Example:
    """An image with its ground truth and its predictions, best first.

    Args:
        name: Name of the image.
        image: RGB image.
        truth: Annotated objects; None where the data set has no annotations.
        predictions: Predicted objects to draw.
    """

    name: str
    image: Image.Image
    truth: Instances | None
    predictions: Instances


def draw_example(example: Example, score_thr: float, panel: int = PANEL) -> Image.Image:
    """A picture of an example: ground truth, if there is any, | prediction.

    Args:
        example: Image with ground truth and predictions.
        score_thr: Least score of the predictions, for the title.
        panel: Longer side in pixels that each image is enlarged or reduced to.
    """
    title = f'prediction: {len(example.predictions)} (score ≥ {score_thr:g})'
    if example.truth is None:
        colors = distinct_colors(len(example.predictions))
        picture = draw_objects(example.image, example.predictions, colors, panel)
        return lay_out([[picture]], [title], font=20, caption='')
    return lay_out([draw_panels(example, panel)], (f'ground truth: {len(example.truth)}', title), font=20)


def draw_answer(image: Image.Image, lines: Sequence[str]) -> Image.Image:
    """A picture of what a classifier says of an image: the image under lines of text.

    Args:
        image: RGB image.
        lines: Texts above the image.
    """
    image = enlarged(image, 2 * PANEL)
    page = Image.new('RGB', (max(PANEL // 2, image.width), image.height + 24 * len(lines) + MARGIN), 'white')
    pen = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        _write(pen, line, page.width / 2, 12 + 24 * number, 16, page.width)
    page.paste(image, ((page.width - image.width) // 2, 24 * len(lines) + MARGIN // 2))
    return page


def enlarged(image: Image.Image, largest: int) -> Image.Image:
    """An image that is looked at as a whole: a small one enlarged by a whole factor, so that its pixels are seen.

    Args:
        image: Image.
        largest: Longer side in pixels, to which a larger image is reduced.
    """
    longer = max(image.size)
    factor = max(1, PANEL // 2 // longer) if longer <= largest else largest / longer
    how = Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.BICUBIC
    return image.resize(scaled(image.size, factor), how)


def scaled(size: tuple[int, int], factor: float) -> tuple[int, int]:
    """Width and height in pixels times a factor; 1 at least."""
    width, height = size
    return max(1, round(width * factor)), max(1, round(height * factor))


def draw_sheet(examples: Sequence[Example], score_thr: float, panel: int = 320) -> Image.Image:
    """A contact sheet: a column for each example, ground truth above prediction.

    Args:
        examples: Images with ground truth and predictions.
        score_thr: Least score of the predictions, for the title.
        panel: Longer side of each image in pixels.
    """
    rows = zip(*(draw_panels(example, panel) for example in examples), strict=True)
    return lay_out(
        list(rows), [example.name for example in examples], ('ground truth', f'prediction (score ≥ {score_thr:g})')
    )


def draw_panels(example: Example, size: int) -> tuple[Image.Image, Image.Image]:
    """Ground truth and prediction of an example as two pictures.

    Each annotated object has its colour, and a prediction that of the object it found. Of the masks only the outlines
    are opaque, so that the image stays visible.

    Args:
        example: Image with ground truth and predictions.
        size: Longer side of each picture in pixels.
    """
    assert example.truth is not None
    colors = distinct_colors(len(example.truth))
    partners = match(example.predictions.boxes, example.truth.boxes)
    found = [UNMATCHED if index is None else colors[index] for index in partners]
    return (
        draw_objects(example.image, example.truth, colors, size),
        draw_objects(example.image, example.predictions, found, size),
    )


def match(predictions: torch.Tensor, truth: torch.Tensor, threshold: float = 0.5) -> list[int | None]:
    """The index of the annotated box that each predicted one takes, or None; as in COCO, each is taken only once.

    Args:
        predictions: Predicted boxes, best first, (N, 4).
        truth: Annotated boxes, (M, 4).
        threshold: Least IoU of a match.
    """
    if not len(truth):
        return [None] * len(predictions)
    partners: list[int | None] = []
    overlaps = box_iou(predictions.float(), truth.float())
    for row in range(len(predictions)):
        best = int(overlaps[row].argmax())
        if overlaps[row, best] >= threshold:
            overlaps[:, best] = -1
            partners.append(best)
        else:
            partners.append(None)
    return partners


def save_picture(picture: Image.Image, path: str | Path, colors: int | None = None) -> int:
    """Writes a picture to a file, which appears only when it is complete, and returns its size in bytes.

    Args:
        picture: Picture to write.
        path: Path of the file, of which the suffix says the format: '.png', or '.jpg' for photographs.
        colors: Number of colours that the picture is reduced to; None: all.
    """
    if colors is not None:
        picture = picture.quantize(colors, dither=Image.Dither.NONE)
    options: dict[str, Any] = {} if Path(path).suffix == '.png' else dict(quality=92)
    with atomic_path(path) as temporary:
        picture.save(temporary, optimize=True, **options)
    return Path(path).stat().st_size


def lay_out(
    rows: Sequence[Sequence[Image.Image]],
    columns: Sequence[str],
    names: Sequence[str] = (),
    font: int = 14,
    caption: str | None = CAPTION,
) -> Image.Image:
    """Panels in rows and columns, under the titles of the columns and beside the names of the rows.

    Args:
        rows: Pictures of each row.
        columns: Titles of the columns.
        names: Names of the rows.
        font: Height of the titles' letters in pixels.
        caption: Line below the panels; '' for an empty one, None for no line.
    """
    panel_width, panel_height = (
        max(getattr(panel, side) for row in rows for panel in row) for side in ('width', 'height')
    )
    head, foot, left = 2 * font, 0 if caption is None else 30, 36 if names else MARGIN
    page = Image.new(
        'RGB',
        (left + len(columns) * (panel_width + MARGIN), head + len(rows) * (panel_height + MARGIN) + foot),
        'white',
    )
    pen = ImageDraw.Draw(page)
    for column, title in enumerate(columns):
        x = left + column * (panel_width + MARGIN)
        _write(pen, title, x + panel_width / 2, head / 2, font, panel_width)
        for row, panels in enumerate(rows):
            panel, y = panels[column], head + row * (panel_height + MARGIN)
            page.paste(panel, (x + (panel_width - panel.width) // 2, y + (panel_height - panel.height) // 2))
    for row, name in enumerate(names):
        strip = Image.new('RGB', (panel_height, left), 'white')
        _write(ImageDraw.Draw(strip), name, panel_height / 2, left / 2, 18, panel_height)
        page.paste(strip.rotate(90, expand=True), (0, head + row * (panel_height + MARGIN)))
    if caption:
        _write(pen, caption, page.width / 2, page.height - foot / 2, 14, page.width)
    return page


def _write(pen: ImageDraw.ImageDraw, text: str, x: float, y: float, size: int, width: float) -> None:
    """Writes centred, smaller where it would not fit into the width."""
    [text], path = in_one_font([text], length=200)
    while size > 8 and pen.textlength(text, font_of(path, size)) > width:
        size -= 1
    pen.text((x, y), text, 'black', font_of(path, size), anchor='mm')
