"""What a model finds in an image: objects with boxes, scores and masks, the class of each pixel, or of the image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Patch:
    """The part of a mask that has anything in it.

    Args:
        left: Column of the image that the patch begins at.
        top: Row of the image that the patch begins at.
        pixels: Boolean mask of the patch, (h, w).
    """

    left: int
    top: int
    pixels: np.ndarray

    @classmethod
    def of(cls, mask: np.ndarray) -> Patch:
        """Cuts out of a boolean mask, (H, W), what has anything in it."""
        rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        if not len(rows):
            return cls(0, 0, np.zeros((0, 0), bool))
        top, left = int(rows[0]), int(columns[0])
        return cls(left, top, mask[top : rows[-1] + 1, left : columns[-1] + 1].copy())

    def moved(self, right: int, down: int) -> Patch:
        """The patch in an image of which this one's is a window that begins at column `right` and row `down`."""
        return Patch(self.left + right, self.top + down, self.pixels)


class Masks:
    """Masks of the objects of an image, of which only the patches are held: an aerial image may have hundreds.

    Args:
        patches: Patch of each object.
        height: Height of the image in pixels.
        width: Width of the image in pixels.
    """

    def __init__(self, patches: Iterable[Patch], height: int, width: int) -> None:
        self.patches, self.height, self.width = list(patches), height, width

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of masks, height and width, as of an array that holds them all."""
        return len(self.patches), self.height, self.width

    def __len__(self) -> int:
        return len(self.patches)

    def __getitem__(self, index: int) -> Tensor:
        """The whole mask of an object, boolean, (H, W)."""
        patch, mask = self.patches[index], np.zeros((self.height, self.width), bool)
        rows, columns = patch.pixels.shape
        mask[patch.top : patch.top + rows, patch.left : patch.left + columns] = patch.pixels
        return torch.from_numpy(mask)

    def rle(self, index: int) -> dict:
        """The mask of an object as COCO's compressed RLE, its counts as text."""
        from pycocotools import mask as coco_mask

        found = coco_mask.encode(np.asfortranarray(self[index].numpy().view(np.uint8)))
        return dict(size=list(map(int, found['size'])), counts=found['counts'].decode('ascii'))

    def union(self, indices: Sequence[int]) -> Patch:
        """The patch of some of the objects together."""
        chosen = [self.patches[index] for index in indices if self.patches[index].pixels.size]
        if not chosen:
            return Patch(0, 0, np.zeros((0, 0), bool))
        left, top = min(patch.left for patch in chosen), min(patch.top for patch in chosen)
        bottom = max(patch.top + patch.pixels.shape[0] for patch in chosen)
        right = max(patch.left + patch.pixels.shape[1] for patch in chosen)
        pixels = np.zeros((bottom - top, right - left), bool)
        for patch in chosen:
            y, x = patch.top - top, patch.left - left
            pixels[y : y + patch.pixels.shape[0], x : x + patch.pixels.shape[1]] |= patch.pixels
        return Patch(left, top, pixels)


@dataclass(frozen=True)
class Detections:
    """Objects found in an image, best first.

    Args:
        boxes: Boxes of the objects, (N, 4), x1 y1 x2 y2 in pixels of the image as it is loaded.
        scores: Scores of the objects from 0 to 1, (N,).
        labels: Labels of the objects, from 0 on, (N,).
        names: Class names of the objects.
        masks: Masks of the objects; None where the model has none.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    names: list[str]
    masks: Masks | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    def texts(self) -> list[str]:
        """Class name and score of each object."""
        return _texts(self.names, self.scores.tolist())


@dataclass(frozen=True)
class Classes:
    """The most likely classes of an image, best first.

    Args:
        scores: Scores of the classes from 0 to 1.
        labels: Labels of the classes, from 0 on.
        names: Names of the classes.
    """

    scores: list[float]
    labels: list[int]
    names: list[str]

    def texts(self) -> list[str]:
        """Name and score of each class."""
        return _texts(self.names, self.scores)


@dataclass(frozen=True)
class Labels:
    """The class of each pixel of an image: what a segmentor finds.

    Args:
        labels: Label of each pixel, from 0 on, (H, W), uint8, or uint16 of a model with more than 255 classes; the
            largest value of the type where a pixel is of none of the classes that are looked for.
        names: Names of the model's classes, in the order of the labels.
        colors: RGB colour of each class, from 0 to 255.
    """

    labels: np.ndarray
    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]

    @property
    def unsaid(self) -> int:
        """The label of the pixels that are of none of the classes that are looked for."""
        return int(np.iinfo(self.labels.dtype).max)

    def areas(self) -> np.ndarray:
        """Number of pixels of each class, (C,)."""
        return np.bincount(self.labels.reshape(-1), minlength=len(self.names))[: len(self.names)]

    def shares(self) -> np.ndarray:
        """Share of the image's pixels that are of each class, from 0 to 1, (C,)."""
        return self.areas() / max(self.labels.size, 1)

    def found(self) -> list[int]:
        """Labels of the classes that any pixel is of, those with the most pixels first."""
        areas = self.areas()
        return [int(label) for label in np.argsort(-areas, kind='stable') if areas[label]]

    def texts(self) -> list[str]:
        """Name and share in percent of each class that any pixel is of, those with the most pixels first."""
        shares = self.shares()
        return [f'{self.names[label]} {100 * shares[label]:.1f} %' for label in self.found()]


# What is found in an image, by the kind of the model.
Found = Detections | Classes | Labels


def _texts(names: list[str], scores: list[float]) -> list[str]:
    return [f'{name} {score:.2f}' for name, score in zip(names, scores, strict=True)]
