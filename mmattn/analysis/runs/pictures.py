"""Pictures of predictions beside ground truth."""
import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torchvision.ops import box_iou
from torchvision.transforms.functional import pil_to_tensor
from torchvision.utils import draw_bounding_boxes

from mmattn.engine.drawn_text import in_one_font
from mmattn.files import atomic_path

UNMATCHED = (255, 255, 255)
PANEL = 640  # longer side of an image in a picture, pixels
MARGIN = 8
CAPTION = ('a prediction has the colour of the object that it overlaps by an IoU of 0.5 or more, '
           'or is white')


@dataclass
class Instances:
    """Objects in an image.

    Args:
        boxes: Boxes of the objects, (N, 4), x1 y1 x2 y2 in pixels.
        masks: Boolean masks of the objects, (N, H, W), or None.
        names: Texts to write at the boxes, one for each object, or None.
    """
    boxes: torch.Tensor
    masks: torch.Tensor | None = None
    names: list[str] | None = None

    def __len__(self) -> int:
        return len(self.boxes)


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
        return _lay_out([[_draw(example.image, example.predictions, colors, panel)]], [title], font=20, caption='')
    return _lay_out([draw_panels(example, panel)], (f'ground truth: {len(example.truth)}', title), font=20)


def draw_answer(image: Image.Image, lines: Sequence[str]) -> Image.Image:
    """A picture of what a classifier says of an image: the image under lines of text.

    Args:
        image: RGB image.
        lines: Texts above the image.
    """
    scale = max(1, PANEL // 2 // max(image.size))  # small images by a whole factor, so that their pixels are seen
    image = image.resize((scale * image.width, scale * image.height), Image.Resampling.NEAREST)
    page = Image.new('RGB', (max(PANEL // 2, image.width), image.height + 24 * len(lines) + MARGIN), 'white')
    pen = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        _write(pen, line, page.width / 2, 12 + 24 * number, 16, page.width)
    page.paste(image, ((page.width - image.width) // 2, 24 * len(lines) + MARGIN // 2))
    return page


def draw_sheet(examples: Sequence[Example], score_thr: float, panel: int = 320) -> Image.Image:
    """A contact sheet: a column for each example, ground truth above prediction.

    Args:
        examples: Images with ground truth and predictions.
        score_thr: Least score of the predictions, for the title.
        panel: Longer side of each image in pixels.
    """
    rows = zip(*(draw_panels(example, panel) for example in examples), strict=True)
    return _lay_out(list(rows), [example.name for example in examples],
                    ('ground truth', f'prediction (score ≥ {score_thr:g})'))


def draw_panels(example: Example, size: int) -> tuple[Image.Image, Image.Image]:
    """Ground truth and prediction of an example as two pictures.

    Each annotated object has its colour, and a prediction that of the object it found. Of the masks only the outlines
    are opaque, so that the image stays visible.

    Args:
        example: Image with ground truth and predictions.
        size: Longer side of each picture in pixels.
    """
    colors = distinct_colors(len(example.truth))
    partners = match(example.predictions.boxes, example.truth.boxes)
    found = [UNMATCHED if index is None else colors[index] for index in partners]
    return (_draw(example.image, example.truth, colors, size),
            _draw(example.image, example.predictions, found, size))


def match(predictions: torch.Tensor, truth: torch.Tensor, threshold: float = 0.5
          ) -> list[int | None]:
    """The index of the annotated box that each predicted one takes, or None; as in COCO, each is taken only once.

    Args:
        predictions: Predicted boxes, best first, (N, 4).
        truth: Annotated boxes, (M, 4).
        threshold: Least IoU of a match.
    """
    if not len(truth):
        return [None] * len(predictions)
    partners = []
    overlaps = box_iou(predictions.float(), truth.float())
    for row in range(len(predictions)):
        best = int(overlaps[row].argmax())
        if overlaps[row, best] >= threshold:
            overlaps[:, best] = -1
            partners.append(best)
        else:
            partners.append(None)
    return partners


def distinct_colors(count: int) -> list[tuple[int, int, int]]:
    """Saturated RGB colours from 0 to 255; steps of the golden ratio keep the hues of neighbours apart.

    Args:
        count: Number of colours.
    """
    golden = (math.sqrt(5) - 1) / 2
    colors = (colorsys.hsv_to_rgb(index * golden % 1, 0.6 + 0.4 * (index % 2), 1)
              for index in range(count))
    return [tuple(round(255 * channel) for channel in color) for color in colors]


def save_picture(picture: Image.Image, path: str | Path, colors: int | None = None) -> int:
    """Writes a picture as a PNG file, which appears only when it is complete, and returns its size in bytes.

    Args:
        picture: Picture to write.
        path: Path of the file.
        colors: Number of colours that the picture is reduced to; None: all.
    """
    if colors is not None:
        picture = picture.quantize(colors, dither=Image.Dither.NONE)
    with atomic_path(path) as temporary:
        picture.save(temporary, optimize=True)
    return Path(path).stat().st_size


def _lay_out(rows: Sequence[Sequence[Image.Image]], columns: Sequence[str], names: Sequence[str] = (), font: int = 14,
             caption: str = CAPTION) -> Image.Image:
    """Panels in rows and columns, under the titles of the columns and beside the names of the rows."""
    panel_width, panel_height = (max(getattr(panel, side) for row in rows for panel in row)
                                 for side in ('width', 'height'))
    head, foot, left = 2 * font, 30, 36 if names else MARGIN
    page = Image.new('RGB', (left + len(columns) * (panel_width + MARGIN),
                             head + len(rows) * (panel_height + MARGIN) + foot), 'white')
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
    _write(pen, caption, page.width / 2, page.height - foot / 2, 14, page.width)
    return page


def _draw(image: Image.Image, instances: Instances, colors: list[tuple[int, int, int]], size: int
          ) -> Image.Image:
    scale = size / max(image.size)
    width, height = (round(side * scale) for side in image.size)
    canvas = pil_to_tensor(image.resize((width, height), Image.Resampling.BICUBIC))
    if not len(instances):
        return _to_image(canvas)
    if instances.masks is not None:
        canvas = _paint_masks(canvas, instances.masks, colors)
    boxes = (instances.boxes * scale).clamp(min=0)
    boxes[:, 0::2].clamp_(max=width - 1)
    boxes[:, 1::2].clamp_(max=height - 1)
    text = {}
    if instances.names:
        names, font = in_one_font(instances.names)
        text = dict(labels=names, font=font, font_size=12)
    return _to_image(draw_bounding_boxes(canvas, boxes, colors=colors, **text))


def _paint_masks(canvas: torch.Tensor, masks: torch.Tensor, colors: list[tuple[int, int, int]]
                 ) -> torch.Tensor:
    """Tints the objects of a (3, H, W) picture and draws their outlines opaquely.

    Where masks overlap, the first is on top; torchvision's draw_segmentation_masks blackens such places, and draws no
    outlines.
    """
    owner = torch.zeros(masks.shape[1:], dtype=torch.long)  # 1 + index of the object, 0 for none
    for index in reversed(range(len(masks))):
        owner[masks[index]] = index + 1
    height, width = canvas.shape[1:]
    rows, columns = (torch.arange(new) * old // new
                     for new, old in zip((height, width), owner.shape, strict=True))
    owner = owner[rows][:, columns]
    paint = torch.tensor([(0, 0, 0), *colors])[owner].permute(2, 0, 1)
    opacity = torch.where(_edges(owner), 1.0, 0.3) * (owner > 0)
    return (opacity * paint + (1 - opacity) * canvas).round().to(torch.uint8)


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
def _font(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


def _write(pen: ImageDraw.ImageDraw, text: str, x: float, y: float, size: int, width: float
           ) -> None:
    """Writes centred, smaller where it would not fit into the width."""
    [text], path = in_one_font([text], length=200)
    while size > 8 and pen.textlength(text, _font(path, size)) > width:
        size -= 1
    pen.text((x, y), text, 'black', _font(path, size), anchor='mm')
