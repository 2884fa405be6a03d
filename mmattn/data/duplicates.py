"""Groups of images that show the same: exact copies, and near ones by a perceptual hash.

Copies that were compressed, resized or brightened, and frames of a still camera, must not be in the training and in the
validation part of one data set, where they would be counted as found by a network that has learned them by heart.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from mmattn.engine.progress import progress

# A hash has a bit for each of so many positions, in so many bands that are looked up one by one.
SIDE, BANDS = 16, 16
# Images whose hashes differ in fewer bits than there are bands share a band, so that none is overlooked.
MOST_BITS = BANDS - 1
# Least correlation of two such images, reduced to THUMB x THUMB grey values: a hash alone takes any two dark images for
# the same.
CORRELATION, THUMB = 0.98, 32
# Images that share a band with more than these are compared with the first of them only: blank ones, mostly.
MOST_COMPARED = 200


@dataclass(frozen=True)
class _Look:
    """What is compared of an image: hash as (BANDS,) numbers of 16 bits, thumbnail as (THUMB², ) standardised."""

    bands: np.ndarray
    thumb: np.ndarray


def duplicate_groups(paths: Sequence[Path]) -> list[int]:
    """The group of each image, so that two images that show the same have one number; with progress on stderr.

    Near copies are found by a difference hash of 256 bits (neighbouring grey values of a thumbnail), of which at most
    15 may differ, and by the correlation of their thumbnails. What cannot be read has a group of its own.

    Args:
        paths: Paths of the image files.
    """
    with ThreadPool(os.cpu_count()) as pool:
        looks: list[Any] = list(progress(pool.imap(_look, paths, chunksize=4), 'looking for copies', len(paths)))
    groups = list(range(len(paths)))

    def first(index: int) -> int:
        while groups[index] != index:
            groups[index] = index = groups[groups[index]]
        return index

    for one, other in _candidates(looks):
        if first(one) != first(other) and _same(looks[one], looks[other]):
            groups[max(first(one), first(other))] = min(first(one), first(other))
    return [first(index) for index in range(len(paths))]


def _look(path: Path) -> _Look | None:
    try:
        with Image.open(path) as image:
            image.draft('L', (256, 256))  # a JPEG is decoded small
            grey = ImageOps.exif_transpose(image).convert('L')
            small = np.asarray(grey.resize((SIDE + 1, SIDE), Image.Resampling.BOX), np.int16)
            thumb = np.asarray(grey.resize((THUMB, THUMB), Image.Resampling.BOX), np.float32).ravel()
    except Exception:  # noqa: BLE001  each of Pillow's decoders has its own; the checks name such files
        return None
    bits = np.packbits(small[:, 1:] > small[:, :-1]).view(np.uint16)
    thumb = thumb - thumb.mean()
    return _Look(bits.reshape(BANDS), thumb / max(float(np.linalg.norm(thumb)), 1e-6))


def _candidates(looks: Sequence[_Look | None]) -> Iterator[tuple[int, int]]:
    """Pairs of images that have a band of their hashes in common."""
    buckets: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, look in enumerate(looks):
        for band, value in enumerate(look.bands.tolist() if look else ()):
            bucket = buckets[band, value]
            yield from ((other, index) for other in bucket[:MOST_COMPARED])
            bucket.append(index)


def _same(one: _Look, other: _Look) -> bool:
    bits = int(np.unpackbits((one.bands ^ other.bands).view(np.uint8)).sum())
    if bits > MOST_BITS:
        return False
    flat = not one.thumb.any() and not other.thumb.any()
    return flat or float(one.thumb @ other.thumb) >= CORRELATION
