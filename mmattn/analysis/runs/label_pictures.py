"""Pictures of the classes of pixels: over the image, and predictions beside the ground truth and what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torchvision.transforms.functional import pil_to_tensor, to_pil_image

from .class_colors import BLACK, Color
from .legend import with_legend
from .objects import paint
from .pictures import PANEL, lay_out, scaled

# Of the paint between the outlines, which are opaque.
OPACITY = 0.5
WRONG, IGNORED = (213, 94, 0), (128, 128, 128)


@dataclass(frozen=True)
class LabelExample:
    """An image with the predicted and the annotated class of each pixel.

    Args:
        image: RGB image.
        truth: Annotated labels, (H, W); None where the data set has no annotations.
        predicted: Predicted labels, (H, W).
        names: Names of the classes.
        colors: RGB colours of the classes, from 0 to 255.
        ignored: Label of the pixels that do not count.
    """

    image: Image.Image
    truth: np.ndarray | None
    predicted: np.ndarray
    names: tuple[str, ...]
    colors: tuple[Color, ...]
    ignored: int = 255

    @property
    def uncounted(self) -> np.ndarray:
        """Whether each pixel does not count, (H, W)."""
        return np.zeros(self.predicted.shape, bool) if self.truth is None else self.truth == self.ignored

    @property
    def wrong(self) -> np.ndarray:
        """Whether each pixel counts and is of another class than is predicted, (H, W)."""
        if self.truth is None:
            return np.zeros(self.predicted.shape, bool)
        return (self.truth != self.predicted) & ~self.uncounted


def draw_labels(image: Image.Image, labels: np.ndarray, colors: Sequence[Color], size: int) -> Image.Image:
    """An image with its pixels tinted by their classes, and outlines where classes meet.

    What is of no class, and what is of a class whose colour is black, stays as it is.

    Args:
        image: RGB image.
        labels: Label of each pixel, (H, W).
        colors: RGB colours of the classes, from 0 to 255.
        size: Longer side in pixels that the image is enlarged or reduced to.
    """
    owner = np.zeros(max(len(colors), int(labels.max(initial=0)) + 1), np.int32)
    owner[: len(colors)] = [0 if tuple(color) == BLACK else label + 1 for label, color in enumerate(colors)]
    return _painted(image, owner[labels], colors, size)


def draw_wrong(image: Image.Image, wrong: np.ndarray, ignored: np.ndarray, size: int) -> Image.Image:
    """An image in grey with its wrong pixels in red, and those that do not count in plain grey.

    Args:
        image: RGB image.
        wrong: Whether each pixel is wrong, (H, W).
        ignored: Whether each pixel does not count, (H, W).
        size: Longer side in pixels that the image is enlarged or reduced to.
    """
    return _painted(image.convert('L').convert('RGB'), np.where(ignored, 2, wrong), (WRONG, IGNORED), size, 0.75)


def _painted(
    image: Image.Image, owner: np.ndarray, colors: Sequence[Color], size: int, opacity: float = OPACITY
) -> Image.Image:
    picture = image.resize(scaled(image.size, size / max(image.size)), Image.Resampling.BICUBIC)
    return to_pil_image(paint(pil_to_tensor(picture), torch.from_numpy(owner.astype(np.int32)), colors, opacity))


def class_entries(labels: np.ndarray, names: Sequence[str], colors: Sequence[Color]) -> list[tuple[Color, str]]:
    """Colour, name and share in percent of the classes in a label picture, those with the most pixels first.

    Args:
        labels: Label of each pixel, (H, W).
        names: Names of the classes.
        colors: Their colours.
    """
    areas = np.bincount(labels.reshape(-1), minlength=len(names))[: len(names)]
    order = [int(label) for label in np.argsort(-areas, kind='stable') if areas[label]]
    return [(colors[label], f'{names[label]} {100 * areas[label] / labels.size:.1f} %') for label in order]


def draw_label_example(example: LabelExample, panel: int = PANEL) -> Image.Image:
    """A picture of an example: ground truth | prediction | wrong pixels, above a legend of the classes.

    Without ground truth the prediction alone, with the shares of its classes.

    Args:
        example: Image with ground truth and prediction.
        panel: Longer side in pixels that each image is enlarged or reduced to.
    """
    if example.truth is None:
        shown = draw_labels(example.image, example.predicted, example.colors, panel)
        return with_legend(shown, class_entries(example.predicted, example.names, example.colors))
    wrong, ignored = example.wrong, example.uncounted
    counted = int((~ignored).sum())
    share = f': {100 * wrong.sum() / counted:.1f} %' if counted else ''
    titles = ('ground truth', 'prediction', f'wrong pixels{share}')
    page = lay_out([label_panels(example, panel)], titles, font=20, caption=None)
    return with_legend(page, _entries([example]))


def draw_label_crop(example: LabelExample, box: Sequence[float], panel: int = 240) -> Image.Image:
    """Ground truth beside prediction of a region with what is around it, above a legend of the classes there.

    Args:
        example: Image with ground truth and prediction.
        box: x, y, width, height of the region in pixels.
        panel: Longer side in pixels that each part is enlarged or reduced to.
    """
    assert example.truth is not None
    x, y, width, height = box
    around = max(32, 0.6 * max(width, height))
    left, top = max(0, round(x - around)), max(0, round(y - around))
    right, bottom = round(x + width + around), round(y + height + around)
    window = np.s_[top:bottom, left:right]
    part = LabelExample(
        example.image.crop((left, top, min(right, example.image.width), min(bottom, example.image.height))),
        example.truth[window],
        example.predicted[window],
        example.names,
        example.colors,
        example.ignored,
    )
    page = lay_out([label_panels(part, panel)[:2]], ('ground truth', 'prediction'), font=16, caption=None)
    return with_legend(page, _class_entries([part]))


def draw_label_sheet(examples: Sequence[LabelExample], titles: Sequence[str], panel: int = 320) -> Image.Image:
    """A contact sheet: a column for each example, ground truth above prediction above wrong pixels, and a legend.

    Args:
        examples: Images with ground truth and prediction, of the same classes.
        titles: Titles of the columns.
        panel: Longer side of each image in pixels.
    """
    rows = zip(*(label_panels(example, panel) for example in examples), strict=True)
    page = lay_out(list(rows), titles, ('ground truth', 'prediction', 'wrong pixels'), caption=None)
    return with_legend(page, _entries(examples))


def label_panels(example: LabelExample, size: int) -> tuple[Image.Image, Image.Image, Image.Image]:
    """Ground truth, prediction and wrong pixels of an example as three pictures.

    Args:
        example: Image with ground truth and prediction.
        size: Longer side of each picture in pixels.
    """
    assert example.truth is not None
    return (
        draw_labels(example.image, example.truth, example.colors, size),
        draw_labels(example.image, example.predicted, example.colors, size),
        draw_wrong(example.image, example.wrong, example.uncounted, size),
    )


def _entries(examples: Sequence[LabelExample]) -> list[tuple[Color, str]]:
    """The legend of the classes that examples with ground truth have, and of what is wrong or does not count."""
    found = _class_entries(examples) + [(WRONG, 'wrong')] * any(one.wrong.any() for one in examples)
    return found + [(IGNORED, 'ignored')] * any(one.uncounted.any() for one in examples)


def _class_entries(examples: Sequence[LabelExample]) -> list[tuple[Color, str]]:
    shown = [labels for one in examples for labels in (one.truth, one.predicted) if labels is not None]
    there = {int(label) for labels in shown for label in np.unique(labels)}
    pairs = enumerate(zip(examples[0].colors, examples[0].names, strict=True))
    return [entry for label, entry in pairs if label in there]
