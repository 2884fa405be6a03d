"""All settings of a training that ``tools/fit.py`` decides on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmattn.data.write_labels import Written

from .choice import Choice


@dataclass(frozen=True)
class Options:
    """What the command line asks for; None where the tool is to choose.

    Args:
        data: Path of the data set.
        work_dir: Work folder of the training.
        format: Format of the data set.
        task: 'boxes', 'masks', 'classes' or 'semantic'.
        backbone: Name of the backbone.
        weights: 'auto', 'none' or the path of a checkpoint.
        size: 'thin' or 'full'.
        minutes: Minutes that all may take.
        epochs: Number of epochs.
        image_size: Longer side of the training images in pixels.
        batch: Images of a batch, per process.
        rate: Learning rate.
        flips: 'horizontal', 'all' or 'none', how training images are turned over.
        val_share: Share of the images for validation, where the data set has no validation part.
        split: Path of a split to use, as an earlier training wrote it.
        seed: Seed of split and training.
        gpus: Number of processes, each on a GPU of its own where there are any.
    """

    data: Path
    work_dir: Path
    format: str | None = None
    task: str | None = None
    backbone: str = 'sda-resnet50'
    weights: str = 'auto'
    size: str | None = None
    minutes: float | None = None
    epochs: int | None = None
    image_size: int | None = None
    batch: int | None = None
    rate: float | None = None
    flips: str = 'horizontal'
    val_share: float = 0.2
    split: Path | None = None
    seed: int = 0
    gpus: int = 1


@dataclass
class Settings:
    """A data set's training: what was decided.

    Args:
        task: 'boxes', 'masks', 'classes' or 'semantic'.
        size: 'thin' or 'full'.
        title: What is trained on what, in a line.
        classes: Names of the classes.
        roots: Folder that the file names of a part start from, by the name of the part.
        backbone: Settings of the backbone.
        channels: Channels of the feature map of each of its stages.
        workers: Number of processes that load images beside each training process.
        processes: Number of training processes.
        choices: The choices by name, in the order in which they were made.
        pictures: Label pictures of semantic segmentation, as they were written.
    """

    task: str
    size: str
    title: str
    classes: tuple[str, ...]
    roots: Mapping[str, Path]
    backbone: dict = field(default_factory=dict)
    channels: tuple[int, ...] = ()
    workers: int = 0
    processes: int = 1
    choices: dict[str, Choice] = field(default_factory=dict)
    pictures: Written | None = None

    def choose(self, choice: Choice) -> Any:
        """Keeps a choice, in place of an earlier one of the same name, and returns its value."""
        self.choices[choice.name] = choice
        return choice.value

    def __getitem__(self, name: str) -> Any:
        """The value that was chosen for a name."""
        return self.choices[name].value
