"""Draft of a data set: what a reader found in the files, before the images themselves are looked at."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mmattn.data.findings import Findings
from mmattn.data.label_pictures.coding import Coding

Box = tuple[float, float, float, float]
Mask = list[list[float]] | dict


@dataclass
class Shape:
    """An object as its file states it.

    Args:
        label: Name of its class.
        where: File and line, for messages.
        box: (x, y, width, height) in pixels, or in shares of the image; None: that of the mask.
        mask: Polygons [x, y, x, y, …], or COCO's run-length encoding; None where there is only a box.
        crowd: Whether training and evaluation ignore it.
        area: Area in pixels that the file states; None: that of the mask or box.
    """

    label: str
    where: str
    box: Box | None = None
    mask: Mask | None = None
    crowd: bool = False
    area: float | None = None

    @property
    def placed(self) -> Box:
        """The box, which every object has from `placement` on."""
        assert self.box is not None
        return self.box


@dataclass
class Picture:
    """An image and its annotation.

    Args:
        path: Path of the image.
        where: File of the annotation, for messages.
        shapes: Objects in it, in the file's order.
        stated: (width, height) in pixels that the annotation states.
        relative: Whether coordinates are shares of the width and the height.
        label: Class of the whole image, for classification.
        labels: Path of its label picture, for semantic segmentation, whose size is `stated`.
        pixels: Number of pixels by label there.
    """

    path: Path
    where: str
    shapes: list[Shape] = field(default_factory=list)
    stated: tuple[float, float] | None = None
    relative: bool = False
    label: str | None = None
    labels: Path | None = None
    pixels: dict[int, int] = field(default_factory=dict)


@dataclass
class Draft:
    """Everything that a reader found.

    Args:
        evidence: What it is recognised by, in a few words.
        classes: Names of the classes in the order of their labels; None: those of the objects, sorted.
        pictures: Images by the part of the data set that they are in.
        findings: What was left out, and what is doubtful.
        notes: Remarks, a sentence each.
        lost: Number of objects that were left out because they are damaged.
        lost_images: Number of annotated images that were left out because they are missing or damaged.
        coding: What the values of label pictures mean.
    """

    evidence: str
    classes: list[str] | None = None
    pictures: dict[str, list[Picture]] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)
    notes: list[str] = field(default_factory=list)
    lost: int = 0
    lost_images: int = 0
    coding: Coding | None = None

    def add(self, part: str, picture: Picture) -> Picture:
        """Adds an image to a part, 'train', 'val', 'test' or 'all', and returns it."""
        self.pictures.setdefault(part, []).append(picture)
        return picture

    def all_pictures(self) -> Iterator[Picture]:
        """The images of all parts."""
        for pictures in self.pictures.values():
            yield from pictures

    def note(self, words: str) -> None:
        """Adds a remark, once."""
        if words not in self.notes:
            self.notes.append(words)

    def leave_out(self, kind: str, detail: str) -> None:
        """Reports something that is left out: an image, or a whole file."""
        self.findings.add(kind, detail, left_out=True)

    def lose_image(self, kind: str, detail: str) -> None:
        """Reports an annotated image that is left out because it, or its annotation, is missing or damaged."""
        self.lost_images += 1
        self.findings.add(kind, detail, left_out=True)

    def lose(self, kind: str, detail: str) -> None:
        """Reports an object that is left out because it is damaged."""
        self.lost += 1
        self.findings.add(kind, detail, left_out=True)

    def doubt(self, kind: str, detail: str) -> None:
        """Reports what a training goes on with, and may be wrong."""
        self.findings.add(kind, detail, doubtful=True)
