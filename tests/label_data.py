"""Small data sets of semantic segmentation: images with rectangles, and label pictures of every coding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from mmattn.data.label_pictures.palette import voc_colour

SIZE = (48, 36)
COLOURS = ((0, 0, 0), (10, 90, 240), (90, 200, 40), (220, 20, 60))


def truth(number: int, classes: int = 3) -> np.ndarray:
    """Labels of an image, (H, W): a rectangle of each class but 0, at places that the number of the image decides."""
    labels = np.zeros(SIZE[::-1], np.uint8)
    for label in range(1, classes):
        left, top = (7 * number + 15 * label) % 30, (5 * number + 9 * label) % 20
        labels[top : top + 12, left : left + 14] = label
    return labels


def image(labels: np.ndarray, number: int) -> Image.Image:
    """An image that shows labels: each class in its colour, with noise that no two images have alike."""
    noise = np.random.default_rng(number).integers(0, 40, (*labels.shape, 3))
    return Image.fromarray((np.array(COLOURS, np.int64)[labels] * 0.8 + noise).clip(0, 255).astype(np.uint8))


def grey(labels: np.ndarray) -> Image.Image:
    return Image.fromarray(labels)


def indexed(labels: np.ndarray) -> Image.Image:
    found = Image.fromarray(labels)
    found.putpalette([value for colour in COLOURS for value in colour])
    return found


def shuffled(labels: np.ndarray) -> Image.Image:
    """Indexed, by a palette in the order in which the colours come in this picture."""
    order = list(dict.fromkeys(labels.T.ravel().tolist()))
    numbers = np.array([order.index(each) if each in order else 0 for each in range(4)], np.uint8)
    found = Image.fromarray(numbers[labels])
    found.putpalette([value for each in order for value in COLOURS[each]])
    return found


def coloured(labels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.array(COLOURS, np.uint8)[labels])


def voc(labels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.array([voc_colour(label) for label in range(4)], np.uint8)[labels])


def mask(labels: np.ndarray) -> Image.Image:
    return Image.fromarray((labels > 0).astype(np.uint8) * 255)


def tones(labels: np.ndarray) -> Image.Image:
    return Image.fromarray((labels * 100).astype(np.uint8))


def write_pairs(
    folder: Path,
    code: Callable[[np.ndarray], Image.Image] = grey,
    *,
    count: int = 4,
    classes: int = 3,
    names: Callable[[int], tuple[str, str]] = lambda number: (f'images/{number}.png', f'labels/{number}.png'),
    **options: object,
) -> list[np.ndarray]:
    """Writes images and label pictures.

    Args:
        folder: Folder of the data set.
        code: Makes a label picture of labels.
        count: Number of images.
        classes: Number of classes.
        names: Names of the image and of the label picture, by the number of the image.
        options: Options of Pillow for the label pictures.

    Returns:
        The labels of each image.
    """
    found = []
    for number in range(count):
        labels = truth(number, classes)
        paths = [folder / name for name in names(number)]
        for path, content, how in zip(paths, (image(labels, number), code(labels)), ({}, options)):
            path.parent.mkdir(parents=True, exist_ok=True)
            content.save(path, **how)
        found.append(labels)
    return found
