"""Report of a segmentor: its figures as sections of a page, and the images that it gets wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmattn.analysis.counted import counted
from mmattn.analysis.evaluation.kept_labels import predicted_labels
from mmattn.analysis.evaluation.pixels import BORDER
from mmattn.analysis.evaluation.segmentor_figures import SegmentorFigures
from mmattn.analysis.page import Cell, Picture, Section, Table, TableRow
from mmattn.analysis.runs.label_pictures import LabelExample, draw_label_crop, draw_label_example
from mmattn.analysis.runs.pictures import save_picture
from mmattn.engine.progress import progress

from .calibration_section import calibration_section
from .charts import bars
from .confusion_table import confusion_section
from .content import MOST_CLASSES, MOST_ROWS, PICTURES, Content, lowest, number
from .images import DataSetImages
from .segmentor_tables import MEASURES, segmentor_metrics, segmentor_tables
from .segmentor_words import in_short, lines_of, share

PANEL = 400  # longer side of an image in a picture, pixels
MEANS = {
    'mIoU': 'mean IoU of the classes',
    'mAcc': 'mean of the shares of the classes that are found',
    'aAcc': 'share of all pixels that is right',
}


def report_segmentor(figures: SegmentorFigures, images: DataSetImages, kept: Path, folder: Path, most: int) -> Content:
    """The content of a segmentor's report, its pictures written.

    Args:
        figures: Figures of the segmentor.
        images: Its images.
        kept: Path of its predictions, beside which its label pictures are.
        folder: Folder of the report.
        most: Number of the worst images, and of the suspected label errors, that are shown.
    """
    pixels = int(figures.areas.counted.sum())
    facts = (
        f'{counted(len(figures.names), "image")}, {counted(len(figures.classes), "class", "classes")}, '
        f'{pixels:,} annotated pixels.',
    )
    sections = [
        Section('In short', items=tuple(f'{line[0].upper()}{line[1:]}.' for line in in_short(figures))),
        _means(figures),
        _by_class(figures),
        _confusion(figures),
        _borders(figures),
        calibration_section(figures.calibration, 'pixels'),
        _worst(figures, images, kept, folder, most),
        _doubtful(figures, images, kept, folder, most),
    ]
    return Content(facts, sections, segmentor_metrics(figures), segmentor_tables(figures), lines_of(figures))


def _means(figures: SegmentorFigures) -> Section:
    row = TableRow('all images', tuple(_percent(figures.means[name]) for name in MEANS))
    caption = (
        f"In percent, as mmseg's IoUMetric has them. {'; '.join(f'{name}: {text}' for name, text in MEANS.items())}."
    )
    return Section('Accuracy', table=Table('', caption, ('', *MEANS), (row,)))


def _by_class(figures: SegmentorFigures) -> Section:
    classes = figures.by_class
    ious = {name: values['IoU'] for name, values in classes.items()}
    known = [iou for iou in ious.values() if iou is not None]
    shown = lowest(ious, MOST_ROWS)
    pixels = max(sum(int(values['pixels'] or 0) for values in classes.values()), 1)
    rows = tuple(
        TableRow(
            name,
            (
                *(_percent((values[what] or 0) / pixels) for what in ('pixels', 'predicted')),
                *(
                    _percent(values[measure], measure == 'IoU' and len(known) > 1 and values['IoU'] == min(known))
                    for measure in MEASURES
                ),
            ),
        )
        for name in shown
        for values in [classes[name]]
    )
    caption = (
        'In percent; bold: the lowest. Annotated and predicted: as shares of the annotated pixels. Acc: the share of '
        'the annotated pixels of a class that is found (recall).'
    )
    if len(shown) < len(classes):
        caption += f' Of {len(classes)} classes, those {len(shown)} with the lowest IoU; the file has all.'
    chart = lowest(ious, MOST_CLASSES)
    title = 'IoU by class' if len(chart) == len(classes) else f'The {len(chart)} lowest IoUs'
    values = [np.nan if (iou := ious[name]) is None else 100 * iou for name in chart]
    return Section(
        'IoU by class',
        pictures=(bars(title, 'IoU, %', chart, values, limit=112),),
        table=Table('', caption, ('class', 'annotated', 'predicted', *MEASURES), rows),
        files=('by_class.csv',),
    )


def _confusion(figures: SegmentorFigures) -> Section:
    return confusion_section(
        figures.confusion,
        figures.rows,
        figures.rows,
        'Pixels by their class and the predicted one, in percent of the pixels of the class.',
        figures.confusion.sum(axis=1),
        background=len(figures.rows) > len(figures.classes),
        percent=True,
    )


def _borders(figures: SegmentorFigures) -> Section:
    near, near_wrong = figures.near
    all_pixels = int(figures.areas.counted.sum())
    all_wrong = all_pixels - int(figures.areas.right.sum())
    rows = tuple(
        TableRow(
            name,
            (
                _percent(pixels / max(all_pixels, 1)),
                _percent(wrong / pixels if pixels else None),
                _percent(wrong / all_wrong if all_wrong else None),
            ),
        )
        for name, pixels, wrong in (
            (f'up to {BORDER} px from a border', near, near_wrong),
            ('farther', all_pixels - near, all_wrong - near_wrong),
        )
    )
    return Section(
        'Borders between classes',
        (
            'Wrong pixels near the borders between annotated classes are mostly outlines that are a little off, which '
            'a finer resolution or finer annotations may cure; those farther away are places taken for another class.',
        ),
        table=Table('', 'In percent.', ('pixels', 'of all', 'wrong of these', 'of all wrong'), rows),
    )


def _worst(figures: SegmentorFigures, images: DataSetImages, kept: Path, folder: Path, most: int) -> Section:
    worst, means = figures.worst(), figures.image_means()
    pictures = []
    for place, index in enumerate(progress(worst[:most].tolist(), 'drawing') if most and len(worst) else (), start=1):
        example = _example(figures, images, kept, index)
        picture, file = draw_label_example(example, PANEL), f'{PICTURES}/worst-{place:02}.jpg'
        save_picture(picture, folder / file)
        mean = '' if np.isnan(means[index]) else f'mean IoU of its classes {share(means[index])}, '
        pictures.append(
            Picture(
                figures.names[index],
                f'{mean}{share(figures.wrong[index])} of its pixels wrong',
                file=file,
                size=picture.size,
            )
        )
    text = (
        'Those with the lowest mean IoU of the classes that are annotated in them.'
        if len(worst)
        else 'There is no image with a wrong pixel.'
    )
    return Section('Worst images', (text,), pictures=tuple(pictures), files=('images.csv',))


def _doubtful(figures: SegmentorFigures, images: DataSetImages, kept: Path, folder: Path, most: int) -> Section:
    pictures = []
    for place, region in enumerate(figures.doubtful[:most], start=1):
        example = _example(figures, images, kept, region.image)
        picture, file = draw_label_crop(example, region.box), f'{PICTURES}/label-{place:02}.jpg'
        save_picture(picture, folder / file)
        x, y, width, height = region.box
        pictures.append(
            Picture(
                f'{figures.classes[region.truth]}, or {figures.classes[region.predicted]}?',
                f'{figures.names[region.image]}, x {x}, y {y}, {width} × {height} px, {region.pixels:,} pixels: '
                f'{region.score:.2f} for {figures.classes[region.predicted]}',
                file=file,
                size=picture.size,
            )
        )
    text = (
        f'{counted(len(figures.doubtful), "region")} annotated as one class and predicted to be of another, with a '
        'score of at least 0.5 and at least the mean score of the right pixels of the predicted class (confident '
        'learning, arXiv:1911.00068): look whether the label is right. Thin regions, as an outline that is a little '
        'off gives, are left out.'
        if figures.doubtful
        else 'No region that is annotated as one class is confidently predicted to be of another.'
    )
    if len(figures.doubtful) > len(pictures) > 0:
        text += f' The {len(pictures)} largest are shown; the file has all.'
    return Section('Suspected label errors', (text,), pictures=tuple(pictures), files=('label_errors.csv',))


def _example(figures: SegmentorFigures, images: DataSetImages, kept: Path, index: int) -> LabelExample:
    return LabelExample(
        images.by_index(index),
        images.labels(index),
        predicted_labels(kept, index),
        figures.classes,
        figures.colors,
        figures.ignored,
    )


def _percent(value: float | None, strong: bool = False) -> Cell:
    """With two digits, as IoUMetric prints them."""
    cell = number(None if value is None else 100 * value)
    return Cell(cell.text, strong)
