"""Tiles of large images for small objects, and one result from what was found in the tiles and in the whole image.

As in SAHI (arXiv:2202.06934) the whole image and overlapping tiles of it are predicted, and what belongs together is
merged greedily by the intersection over the smaller area (IoS). The package ``sahi`` (0.12.8) does not serve here: it
loads model and images of mmdet by ways of its own, predicts mmdet's tiles one by one, turns masks into polygons that
fill their holes, and leaves in pieces an object that is longer than the overlap and that the whole image does not show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmattn.errors import UserError

from .found import Detections, Masks

# Left, top, right and bottom of a part of an image, in pixels.
Window = tuple[int, int, int, int]
# Least IoS of two boxes, and least IoU inside of what both windows show, that are taken for one object.
SAME = 0.5
# A box that ends so near to the border of its tile, as a share of the tile's side, is taken for cut by it.
BORDER = 0.01


@dataclass(frozen=True)
class Tiles:
    """Tiles that an image is cut into.

    Args:
        size: Height and width of a tile in pixels.
        overlap: Least overlap of neighbours as a share of `size`, from 0 to less than 1.

    Raises:
        UserError: One of them is out of range.
    """

    size: int = 640
    overlap: float = 0.2

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 <= self.overlap <= 0.95:
            raise UserError(
                f'tiles of {self.size} px with an overlap of {self.overlap:g} cannot be cut; give a size '
                'above 0 and an overlap from 0 to 0.95'
            )

    def windows(self, width: int, height: int) -> list[Window]:
        """Windows of the tiles, spread evenly, by rows; none where the whole image is not larger than one tile.

        Args:
            width: Width of the image in pixels.
            height: Height of the image in pixels.
        """
        if max(width, height) <= self.size:
            return []
        return [
            (left, top, min(left + self.size, width), min(top + self.size, height))
            for top in self._starts(height)
            for left in self._starts(width)
        ]

    def _starts(self, length: int) -> list[int]:
        if length <= self.size:
            return [0]
        steps = math.ceil((length - self.size) / max(self.size * (1 - self.overlap), 1))
        return [round(step * (length - self.size) / steps) for step in range(steps + 1)]


def merged(windows: Sequence[Window], parts: Sequence[Detections]) -> Detections:
    """One result for an image from those of its windows.

    Two detections of a class from different windows are one object if their IoS is 0.5 or more, or if they agree, by an
    IoU of 0.5 or more, about what both windows show. The best detection takes those that are the same as it. If the
    border of a tile cuts it, it takes on what is the same as these, too, and becomes the union of all; if not, its box
    is that of the object, unless it is part of an object that only the whole image shows.

    Args:
        windows: Windows of the image, first the whole image.
        parts: What was found in each, in pixels of the window.
    """
    return _Merge(windows, parts).result()


class _Merge:
    def __init__(self, windows: Sequence[Window], parts: Sequence[Detections]) -> None:
        shifts = [torch.tensor([left, top, left, top]) for left, top, _, _ in windows]
        self.boxes = torch.cat([part.boxes + shift for part, shift in zip(parts, shifts, strict=True)])
        self.scores = torch.cat([part.scores for part in parts])
        self.labels = torch.cat([part.labels for part in parts])
        self.names = [name for part in parts for name in part.names]
        self.view = torch.cat([torch.full((len(part),), index) for index, part in enumerate(parts)])
        self.masks = None
        _, _, width, height = windows[0]
        if all(part.masks is not None for part in parts):
            self.masks = Masks(
                [
                    patch.moved(left, top)
                    for part, (left, top, _, _) in zip(parts, windows, strict=True)
                    for patch in (part.masks.patches if part.masks else ())
                ],
                height,
                width,
            )
        tiles = torch.tensor(windows)
        self.window = tiles[self.view].to(self.boxes.dtype)
        self.area = _area(self.boxes)
        self.cut = self._cut(windows[0])
        shown = [((self.boxes[:, :2] >= tile[:2]) & (self.boxes[:, 2:] <= tile[2:])).all(1) for tile in tiles[1:]]
        self.only_whole = (self.view == 0) & ~torch.stack(shown).any(0)

    def _cut(self, whole: Window) -> Tensor:
        """Which boxes end at a border of their window that is none of the image."""
        inwards = (self.boxes - self.window) * torch.tensor([1, 1, -1, -1])
        side = (self.window[:, 2:] - self.window[:, :2]).amax(1, keepdim=True)
        near = inwards <= (BORDER * side).clamp(min=2)
        return (near & (self.window != torch.tensor(whole))).any(1)

    def result(self) -> Detections:
        free = torch.ones(len(self.boxes), dtype=torch.bool)
        boxes, kept, patches = [], [], []
        for best in self.scores.argsort(descending=True, stable=True).tolist():
            if not free[best]:
                continue
            members = self._members(best, free)
            free[members] = False
            if self.cut[members].all() and self._part_of_another_class(best):
                continue
            united = members if self.cut[best] else [best, *(i for i in members if i != best and self.only_whole[i])]
            boxes.append(torch.cat([self.boxes[united, :2].amin(0), self.boxes[united, 2:].amax(0)]))
            kept.append(best)
            if self.masks is not None:
                patches.append(self.masks.union(united))
        masks = self.masks and Masks(patches, self.masks.height, self.masks.width)
        return Detections(
            torch.stack(boxes) if boxes else self.boxes[:0],
            self.scores[kept],
            self.labels[kept],
            [self.names[i] for i in kept],
            masks,
        )

    def _members(self, best: int, free: Tensor) -> list[int]:
        """Indices of the detections that are the same object as `best`, itself first."""
        members, waiting, free = [best], [best], free.clone()
        free[best] = False
        while waiting:
            one = waiting.pop()
            agree, inside = self._overlaps(one)
            new = (
                (
                    free
                    & (self.labels == self.labels[one])
                    & (self.view != self.view[one])
                    & ((agree >= SAME) | (inside >= SAME))
                )
                .nonzero()[:, 0]
                .tolist()
            )
            free[new] = False
            members += new
            if self.cut[one]:  # a whole object has no neighbours that it goes on in
                waiting += new
        return members

    def _part_of_another_class(self, piece: int) -> bool:
        """Whether a window that shows the whole of an object says that this piece of it is of another class."""
        agree, _ = self._overlaps(piece)
        return bool((~self.cut & (self.view != self.view[piece]) & (agree >= SAME)).any())

    def _overlaps(self, one: int) -> tuple[Tensor, Tensor]:
        """Of one detection with all: the IoU inside of what both windows show, and the IoS."""
        box, window = self.boxes[one].expand_as(self.boxes), self.window[one]
        shown = _common(self.window, window.expand_as(self.window))
        own, others = _common(box, shown), _common(self.boxes, shown)
        common = _area(_common(own, others))
        agree = common / (_area(own) + _area(others) - common).clamp(min=1e-6)
        inside = _area(_common(box, self.boxes)) / torch.minimum(self.area, self.area[one]).clamp(min=1e-6)
        return agree, inside


def _common(first: Tensor, second: Tensor) -> Tensor:
    return torch.cat([torch.maximum(first[:, :2], second[:, :2]), torch.minimum(first[:, 2:], second[:, 2:])], 1)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1)
