"""Pictures in a detector's report: the worst images with the mistakes drawn in, and suspected label errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmattn.analysis.counted import counted
from mmattn.analysis.evaluation.detector_figures import DetectorFigures
from mmattn.analysis.page import Picture, Section
from mmattn.analysis.runs.pictures import save_picture
from mmattn.engine.progress import progress

from .content import PICTURES
from .drawing import MarkedBox, draw_crop, draw_mistakes
from .images import DataSetImages
from .mistakes import FALSE, MISSED, WRONG, Mistakes, kinds_of_detections


def worst_section(
    figures: DetectorFigures, mistakes: Mistakes, images: DataSetImages, folder: Path, most: int
) -> Section:
    """The images with the most mistakes, their pictures written.

    Args:
        figures: Figures of the detector.
        mistakes: Numbers of mistakes in each image.
        images: Its images.
        folder: Folder of the report.
        most: Number of images that are shown at most.
    """
    matches, kind = figures.matches, kinds_of_detections(figures)
    pictures = []
    for place, index in enumerate(progress(mistakes.worst(most), 'drawing'), start=1):
        image = images.by_id(matches.images[index])
        if image is None:
            continue
        picture = draw_mistakes(image, _marked(figures, kind, index))
        file = f'{PICTURES}/worst-{place:02}.jpg'
        save_picture(picture, folder / file)
        numbers = (
            (mistakes.missed[index], 'missed object'),
            (mistakes.false[index], 'false detection'),
            (mistakes.wrong[index], 'wrong class'),
        )
        caption = (
            ', '.join(
                counted(int(n), name, 'wrong classes' if name == 'wrong class' else None) for n, name in numbers if n
            )
            + f'; {int(mistakes.right[index])} right'
        )
        pictures.append(Picture(Path(matches.names[index]).name, caption, file=file, size=picture.size))
    text = 'The images with the most mistakes, of the boxes, with detections from the best threshold of their class on.'
    if not pictures:
        text = (
            'There is no image with a mistake.'
            if not mistakes.total.any()
            else 'None are shown, as none were asked for.'
        )
    return Section('Worst images', (text,), pictures=tuple(pictures), files=('images.csv',))


def _marked(figures: DetectorFigures, kind: np.ndarray, index: int) -> list[MarkedBox]:
    matches, objects = figures.matches, figures.matches.objects
    several = len(matches.classes) > 1
    boxes = [
        MarkedBox(MISSED, objects.box[g], matches.classes[objects.label[g]] if several else '')
        for g in np.flatnonzero(figures.pairing.missed & (objects.image == index))
    ]
    for d in np.flatnonzero((matches.image == index) & (kind != '')):
        text, score = '', f'{matches.score[d]:.2f}'
        name = matches.classes[matches.label[d]]
        if kind[d] == FALSE:
            text = f'{name} {score}' if several else score
        elif kind[d] == WRONG:
            text = f'{name} {score}, is {matches.classes[objects.label[figures.pairing.partner[d]]]}'
        boxes.append(MarkedBox(kind[d], matches.box[d], text))
    return boxes


def label_error_section(
    figures: DetectorFigures, doubtful: np.ndarray, images: DataSetImages, folder: Path, most: int
) -> Section:
    """The suspected label errors, their pictures written.

    Args:
        figures: Figures of the detector.
        doubtful: Indices of the detections that may show an object without annotation, in order.
        images: Its images.
        folder: Folder of the report.
        most: Number of detections that are shown at most.
    """
    matches, pictures = figures.matches, []
    for place, d in enumerate(doubtful[:most], start=1):
        image = images.by_id(matches.images[matches.image[d]])
        if image is None:
            continue
        picture, file = draw_crop(image, matches.box[d]), f'{PICTURES}/label-{place:02}.jpg'
        save_picture(picture, folder / file)
        x, y, width, height = matches.box[d]
        pictures.append(
            Picture(
                f'{matches.classes[matches.label[d]]} {matches.score[d]:.2f}',
                f'{matches.names[matches.image[d]]}, x {x:.0f}, y {y:.0f}, {width:.0f} × {height:.0f} px',
                file=file,
                size=picture.size,
            )
        )
    text = (
        f'{len(doubtful):,} confident detections where nothing is annotated, which may be objects that the '
        'annotators overlooked: score at least 0.5 and at least the mean score of the right detections of the '
        'class, IoU at most 0.1 with everything that is annotated.'
        if len(doubtful)
        else 'No confident detection lies where nothing is annotated.'
    )
    if len(doubtful) > len(pictures) > 0:
        text += f' The {len(pictures)} with the highest scores are shown; the file has all.'
    return Section('Suspected label errors', (text,), pictures=tuple(pictures), files=('label_errors.csv',))
