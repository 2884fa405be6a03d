"""Label pictures as a run loads them: mmsegmentation's LoadAnnotations, without what it does to the labels then."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from mmcv.image import imfrombytes
from PIL import Image

from mmattn.data.images import check_whole
from mmattn.data.label_pictures.palette import palette_of
from mmattn.data.readable import check_readable

# Labels are cast to 8 bits without sign.
MOST = 255


@dataclass(frozen=True)
class Tally:
    """What a label picture holds.

    Args:
        size: (width, height) in pixels.
        channels: Number of channels; more than one are colours, which no run can take for labels.
        counts: Number of pixels of each value; empty where there are several channels.
        palette: Colour of each value of an indexed picture, as one number; empty for others.
    """

    size: tuple[int, int]
    channels: int
    counts: Mapping[float, int]
    palette: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class LabelLoader:
    """How a run loads label pictures: the settings of LoadAnnotations and of the data set that count for values.

    Args:
        imdecode_backend: Library that decodes: 'pillow' keeps the numbers of an indexed picture, 'cv2' looks up their
            colours.
        reduce_zero_label: Whether the value 0 is ignored and all others become one less.
        label_map: Label by value, for classes of the config that are some of the data set's.
    """

    imdecode_backend: str = 'pillow'
    reduce_zero_label: bool = False
    label_map: Mapping[int, int] | None = None

    def tally(self, path: Path) -> Tally:
        """Reads a label picture.

        Args:
            path: Path of the file.

        Raises:
            FileNotFoundError: There is no such file.
            OSError: It cannot be decoded, or only in part.
        """
        check_readable(path)
        content = path.read_bytes()
        try:
            pixels = imfrombytes(content, flag='unchanged', backend=self.imdecode_backend)
        except Exception as error:  # each library has its own exceptions for damage
            raise OSError(f'{type(error).__name__}: {error}') from error
        if pixels is None:
            raise OSError(f'not an image that {self.imdecode_backend} can decode')
        check_whole(content)
        height, width = pixels.shape[:2]
        channels = pixels.shape[2] if pixels.ndim > 2 else 1
        counts = {} if channels > 1 else count_values(pixels)
        return Tally((width, height), channels, counts, _palette(content, counts))

    def label(self, value: float) -> int:
        """The label that a run makes of a value.

        Args:
            value: Value of a pixel, as `tally` counts it.
        """
        label = int(value) % (MOST + 1)
        if self.reduce_zero_label:
            label = MOST if label in (0, MOST) else label - 1
        return label if self.label_map is None else self.label_map.get(label, label)


def _palette(content: bytes, counts: Mapping[float, int]) -> dict[int, int]:
    """Colours of the values that occur."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return palette_of(image, map(int, counts)) if image.mode == 'P' else {}
    except OSError:  # of a format that Pillow does not know
        return {}


def count_values(pixels: np.ndarray) -> dict[float, int]:
    """Number of pixels of each value.

    Args:
        pixels: Values of any type.
    """
    if pixels.dtype == np.uint8:
        counts = np.bincount(pixels.ravel(), minlength=MOST + 1)
        return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}
    if pixels.dtype == bool:
        return count_values(pixels.astype(np.uint8))
    values, numbers = np.unique(pixels, return_counts=True)
    return dict(zip(values.tolist(), numbers.tolist()))
