"""Label pictures of strangers as they are in their files: grey values, numbers of a palette, or colours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from mmattn.data.label_pictures.palette import palette_of
from mmattn.data.readable import check_readable

# Values of a picture that are counted one by one, the most frequent ones; the others together are OTHERS.
MOST_COUNTED, OTHERS = 512, -1
# A picture has at most so many values, each of a share of its pixels, or it is a photograph.
MOST_VALUES, SHARE = 64, 1e-4
# Difference of the channels of a grey picture that JPEG has stored in colour.
_SPREAD = 24
# Grey values of masks, of which JPEG and smoothing leave few pixels between.
DARK, LIGHT, BETWEEN = 48, 208, 0.05


@dataclass(frozen=True)
class Raw:
    """The pixels of a label picture.

    Args:
        pixels: (H, W), int32: grey values or numbers of a palette; with `colours` the colours as one number each.
        colours: Whether it has colours other than grey.
        palette: Colour of each number of a palette that occurs; empty for other pictures.
    """

    pixels: np.ndarray
    colours: bool = False
    palette: Mapping[int, int] = field(default_factory=dict)

    def as_colours(self) -> np.ndarray:
        """The pixels as colours, (H, W), of which a grey value is one."""
        if self.colours:
            return self.pixels
        if not self.palette:
            return np.minimum(self.pixels, 255) * 0x010101
        table = np.zeros(max(self.palette) + 1, np.int32)
        table[list(self.palette)] = list(self.palette.values())
        return table[self.pixels]


@dataclass(frozen=True)
class Content:
    """What a label picture holds, counted.

    Args:
        size: (width, height) in pixels.
        colours: As of `Raw`.
        palette: As of `Raw`.
        counts: Number of pixels of each value, and of the rarest together.
    """

    size: tuple[int, int]
    colours: bool
    palette: Mapping[int, int]
    counts: Mapping[int, int]

    def is_mask(self) -> bool:
        """Whether it is a grey picture of dark and light pixels, with few between."""
        if self.colours or self.palette or OTHERS in self.counts or not max(self.counts) <= 255:
            return False
        between = sum(pixels for value, pixels in self.counts.items() if DARK < value < LIGHT)
        return between <= BETWEEN * sum(self.counts.values())

    def has_few_values(self) -> bool:
        """Whether it may be a label picture, and is no photograph."""
        total = sum(self.counts.values())
        frequent = [pixels for value, pixels in self.counts.items() if value != OTHERS and pixels >= SHARE * total]
        return len(frequent) <= MOST_VALUES and sum(frequent) >= (1 - BETWEEN) * total or self.is_mask()


def read_raw(path: Path) -> Raw:
    """Reads a label picture.

    Args:
        path: Path of the file.

    Raises:
        OSError: It cannot be read as an image.
    """
    check_readable(path)
    try:
        with Image.open(path) as image:
            if image.mode == 'P':
                return _indexed(image)
            if image.mode in ('1', 'L', 'LA', 'La', 'I', 'F') or image.mode.startswith('I;16'):
                values = np.asarray(image if image.mode not in ('LA', 'La') else image.getchannel(0))
                return Raw(values.astype(np.int32))
            return _coloured(np.asarray(image.convert('RGBA'), np.int32), lossy=image.format == 'JPEG')
    except Image.UnidentifiedImageError:
        raise OSError('not an image') from None
    except Exception as error:  # each of Pillow's decoders has its own exceptions for damage
        raise OSError(f'{error}') from error


def count(raw: Raw) -> Content:
    """Counts the values of a label picture."""
    values, numbers = np.unique(raw.pixels, return_counts=True)
    order = np.argsort(-numbers, kind='stable')
    counts = {int(values[place]): int(numbers[place]) for place in order[:MOST_COUNTED]}
    if len(order) > MOST_COUNTED:
        counts[OTHERS] = int(numbers[order[MOST_COUNTED:]].sum())
    height, width = raw.pixels.shape
    return Content((width, height), raw.colours, raw.palette, counts)


def _indexed(image: Image.Image) -> Raw:
    pixels = np.asarray(image, np.int32)
    return Raw(pixels, palette=palette_of(image, np.unique(pixels).tolist()))


def _coloured(pixels: np.ndarray, lossy: bool) -> Raw:
    channels, alpha = pixels[..., :3], pixels[..., 3]
    spread = int(np.ptp(channels, axis=2).max(initial=0))
    if spread <= (_SPREAD if lossy else 0):
        return Raw(np.where(alpha == 0, 0, channels[..., 1]))
    colours = channels[..., 0] << 16 | channels[..., 1] << 8 | channels[..., 2]
    return Raw(np.where(alpha == 0, 0, colours), colours=True)
