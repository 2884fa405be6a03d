"""Annotated images with what a detector or a segmentor finds in them, ready to be drawn side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.dataset import BaseDataset

from mmattn.analysis.runs.annotated import annotated_objects
from mmattn.analysis.runs.label_pictures import LabelExample
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
    names = _names(dataset)
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


def labelled_examples(
    predictor: Predictor, dataset: BaseDataset, indices: list[int]
) -> Iterator[tuple[str, LabelExample]]:
    """Predicts on images of a data set, with a progress bar; yields names and images.

    Args:
        predictor: Trained segmentor.
        dataset: Data set of mmseg, whose pipeline loads the label pictures in the size of their images.
        indices: Indices of the images in the data set.
    """
    names, ignored = _names(dataset), getattr(dataset, 'ignore_index', 255)
    infos = ((index, dataset.get_data_info(index)['img_path']) for index in progress(indices, 'predicting'))
    found: Any
    for (index, path), image, found in predictor.stream((info, predictor.load(info[1])) for info in infos):
        truth = dataset[index]['data_samples'].gt_sem_seg.data[0].numpy()
        yield (
            names[path],
            LabelExample(to_rgb(image.pixels), truth, found.labels, found.names, found.colors, ignored),
        )


def _names(dataset: BaseDataset) -> dict[str, str]:
    """Names of the images by their paths, each once."""
    paths = dict.fromkeys(dataset.get_data_info(index)['img_path'] for index in range(len(dataset)))
    return dict(zip(paths, unique_names(Path(path).stem for path in paths), strict=True))
