"""Predictions on a stream of images in batches, and on tiles of them, whatever it is that predicts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from mmattn.analysis.runs.class_colors import class_colors
from mmattn.analysis.runs.tested_data import ClassNames
from mmattn.engine.kinds import Kind
from mmattn.errors import UserError

from .found import Classes, Detections, Found, Labels, Masks
from .reading import LoadedImage
from .tiles import Tiles, Window, merged

Key = TypeVar('Key')
# Number of classes of an image that a classifier names.
TOP = 5
_WINDOWS = {
    'segmentor': ' (a segmentor looks at windows of an image with model.test_cfg.mode=slide in its config, '
    'a crop_size and a stride)'
}


class StreamingPredictor(ABC):
    """What predicts on images one after the other, in batches of images alike in size, and on tiles of them.

    Args:
        classes: Names of the model's classes.
        kind: Kind of the model: a 'detector' finds objects, a 'segmentor' the class of each pixel, a 'classifier' those
            of the whole image.
        threshold: Least score of the objects that are found.
        chosen: Names of the classes to look for; None: all.
        tiles: Tiles that are looked at besides the whole image; None: none.
        batch: Number of images or tiles that are predicted at a time.
        palette: RGB colours of a segmentor's classes; None: colours that are told apart.

    Raises:
        UserError: There is no such class, or there are tiles for what is no detector.
    """

    def __init__(
        self,
        classes: ClassNames,
        kind: Kind,
        threshold: float,
        chosen: Sequence[str] | None,
        tiles: Tiles | None,
        batch: int,
        palette: Sequence[Sequence[int]] | None = None,
    ) -> None:
        if tiles is not None and kind != 'detector':
            raise UserError(f'this model is no detector, which tiles are for; leave them out{_WINDOWS.get(kind, "")}')
        self.classes, self.kind, self.threshold = classes, kind, threshold
        self._palette = palette
        self.tiles, self.batch = tiles, batch
        self._chosen = None if chosen is None else torch.tensor([classes.label(name) for name in chosen])

    @abstractmethod
    def load(self, image: str | Path | np.ndarray) -> LoadedImage:
        """Reads an image and makes of it what the network is given.

        Args:
            image: Path of an image file, or an image as an array, (H, W, 3), in the order blue, green, red.

        Raises:
            OSError: The file is missing, or no whole image, or none that the transforms take.
        """

    @abstractmethod
    def transformed(self, pixels: np.ndarray) -> dict:
        """What the network is given of a part of an image, with its 'inputs'."""

    @abstractmethod
    def find(self, batch: Sequence[dict]) -> list[Found]:
        """What is found in each image of a batch, whose 'inputs' are alike in shape."""

    def __call__(self, images: Iterable[str | Path | np.ndarray]) -> Iterator[Found]:
        """Yields what is found in each image, in their order; only a batch of images is held at a time.

        Args:
            images: Paths of images, or images as arrays, (H, W, 3), in the order blue, green, red.

        Raises:
            OSError: A file is missing, or no whole image; its name is in the message.
        """
        for _, _, found in self.stream((None, self.load(image)) for image in images):
            yield found

    def stream(
        self, images: Iterable[tuple[Key, LoadedImage]], done: Callable[[], object] = lambda: None
    ) -> Iterator[tuple[Key, LoadedImage, Found]]:
        """Yields each image, by a key that the caller chooses, with what is found in it.

        Args:
            images: Keys and images, taken as they are needed.
            done: Called after each image and tile that was predicted, for a bar of progress.
        """
        waiting: deque[_Waiting] = deque()
        batch: list[tuple[_Waiting, dict]] = []
        for key, image in images:
            one = _Waiting(key, image, [(0, 0, *image.size), *self._windows(image)], [])
            waiting.append(one)
            for window in one.windows:
                data = image.data if window == one.windows[0] else self._tile(image, window)
                if batch and data['inputs'].shape != batch[0][1]['inputs'].shape:
                    self._predict(batch, done)
                batch.append((one, data))
                if len(batch) >= self.batch:
                    self._predict(batch, done)
            while waiting and waiting[0].complete:
                yield self._result(waiting.popleft())
        if batch:
            self._predict(batch, done)
        while waiting:
            yield self._result(waiting.popleft())

    def tile_shape(self, image: LoadedImage) -> tuple[int, int]:
        """Height and width in pixels that the transforms make of a tile of an image."""
        height, width = self._tile(image, self._windows(image)[0])['inputs'].shape[1:]
        return height, width

    def _predict(self, batch: list[tuple[_Waiting, dict]], done: Callable[[], object]) -> None:
        for (one, _), found in zip(batch, self.find([data for _, data in batch]), strict=True):
            one.parts.append(found)
            done()
        batch.clear()

    def _result(self, one: _Waiting) -> tuple[Any, LoadedImage, Found]:
        found = one.parts[0] if len(one.parts) == 1 else merged(one.windows, one.parts)
        return one.key, one.image, found

    def _windows(self, image: LoadedImage) -> list[Window]:
        return [] if self.tiles is None else self.tiles.windows(*image.size)

    def _tile(self, image: LoadedImage, window: Window) -> dict:
        left, top, right, bottom = window
        return self.transformed(np.ascontiguousarray(image.pixels[top:bottom, left:right]))

    def detections(self, boxes: Tensor, scores: Tensor, labels: Tensor, masks: Masks | None) -> Detections:
        """Objects of an image with the names of their classes.

        Args:
            boxes: Boxes, (N, 4), best first.
            scores: Scores, (N,).
            labels: Labels, (N,).
            masks: Masks of the objects; None where there are none.
        """
        return Detections(boxes, scores, labels, [self.classes.name(label) for label in labels.tolist()], masks)

    def kept(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Which objects are of the score and the classes looked for, boolean, (N,)."""
        kept = scores >= self.threshold
        if self._chosen is not None:
            kept &= torch.isin(labels, self._chosen.to(labels.device))
        return kept

    def labelled(self, labels: np.ndarray, classes: int) -> Labels:
        """A label picture with the names and colours of the classes.

        Args:
            labels: Label of each pixel, (H, W), of any type of integers.
            classes: Number of classes of the model, which has all of their names or none.
        """
        names = tuple(self.classes.name(label) for label in range(max(classes, len(self.classes))))
        kind: type[np.unsignedinteger] = np.uint8 if len(names) <= np.iinfo(np.uint8).max else np.uint16
        picture = labels.astype(kind)
        if self._chosen is not None:
            picture[~np.isin(labels, self._chosen.numpy())] = np.iinfo(kind).max
        return Labels(picture, names, class_colors(names, self._palette))

    def likeliest(self, scores: Tensor) -> Classes:
        """The likeliest classes of an image, of those looked for.

        Args:
            scores: Score of each class, (K,).
        """
        labels = torch.arange(len(scores)) if self._chosen is None else self._chosen
        scores, order = scores.cpu()[labels].sort(descending=True, stable=True)
        chosen = labels[order][:TOP].tolist()
        return Classes(scores[:TOP].tolist(), chosen, [self.classes.name(label) for label in chosen])


@dataclass
class _Waiting:
    key: object
    image: LoadedImage
    windows: list[Window]
    parts: list

    @property
    def complete(self) -> bool:
        return len(self.parts) == len(self.windows)
