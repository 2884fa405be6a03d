"""Annotated images with what a detector finds in them, ready to be drawn side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.dataset import BaseDataset

from mmattn.analysis.runs.annotated import annotated_objects
from mmattn.analysis.runs.objects import Instances
from mmattn.analysis.runs.pictures import Example
from mmattn.analysis.shown_image import to_rgb
from mmattn.engine.progress import progress
from mmattn.files import unique_names

from .predictor import Predictor


def annotated_examples(predictor: Predictor, dataset: BaseDataset, indices: list[int]) -> Iterator[Example]:
    """Predicts on images of a data set, with a progress bar.

    Args:
        predictor: Trained detector.
        dataset: Data set of mmdet.
        indices: Indices of the images in the data set.
    """
    paths = dict.fromkeys(dataset.get_data_info(index)['img_path'] for index in range(len(dataset)))
    names = dict(zip(paths, unique_names(Path(path).stem for path in paths), strict=True))
    infos = (dataset.get_data_info(index) for index in progress(indices, 'predicting'))
    several = len(predictor.classes) != 1  # texts at the boxes only clutter the picture where all would be the same

    def texts(labels: list[int]) -> list[str] | None:
        return [predictor.classes.name(label) for label in labels] if several else None

    found: Any
    for info, image, found in predictor.stream((info, predictor.load(info['img_path'])) for info in infos):
        yield Example(
            names[info['img_path']],
            to_rgb(image.pixels),
            annotated_objects(info, texts),
            Instances(found.boxes, found.masks, found.texts() if several else None),
        )
