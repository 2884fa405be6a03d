"""Report of a classifier: its figures as sections, numbers and lines, and the images it gets wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmattn.analysis.counted import counted
from mmattn.analysis.evaluation.classifier_figures import ClassifierFigures
from mmattn.analysis.page import Cell, Picture, Section, Table, TableRow
from mmattn.analysis.runs.pictures import enlarged, save_picture
from mmattn.engine.progress import progress

from .calibration_section import FILE as CALIBRATION_FILE
from .calibration_section import calibration_metrics, calibration_rows, calibration_section
from .confusion_table import FILE as CONFUSION_FILE
from .confusion_table import confusion_metrics, confusion_rows, confusion_section
from .content import MOST_CLASSES, MOST_ROWS, PICTURES, Content, lowest, percent, text_table
from .drawing import LARGEST
from .images import DataSetImages

MEASURED = ('precision', 'recall', 'F1')


def report_classifier(figures: ClassifierFigures, images: DataSetImages, folder: Path, most: int) -> Content:
    """The content of a classifier's report, its pictures written.

    Args:
        figures: Figures of the classifier.
        images: Its images.
        folder: Folder of the report.
        most: Number of the worst images, and of the suspected label errors, that are shown.
    """
    worst, doubtful = figures.worst(), figures.label_errors()
    worst_pictures = _pictures(figures, worst[:most], images, folder, 'worst')
    doubtful_pictures = _pictures(figures, doubtful[:most], images, folder, 'label')
    sections = [
        Section('In short', items=tuple(f'{line[0].upper()}{line[1:]}.' for line in _words(figures, len(doubtful)))),
        Section(
            'Accuracy',
            table=Table(
                '',
                'In percent.',
                ('', *figures.accuracy),
                (TableRow('all images', tuple(Cell(f'{value:.1f}') for value in figures.accuracy.values())),),
            ),
        ),
        _by_class(figures),
        confusion_section(
            figures.confusion,
            figures.classes,
            figures.classes,
            'Images by their class and the predicted one. The colour is the share of the row.',
            figures.confusion.sum(axis=1),
        ),
        calibration_section(figures.calibration, 'images'),
        Section(
            'Worst images',
            (
                f'Of {counted(len(worst), "image")} with a wrong class, those where the model is most confident of it, '
                'compared with the true class.'
                if len(worst)
                else 'There is no image with a wrong class.',
            ),
            pictures=worst_pictures,
            files=('images.csv',),
        ),
        Section(
            'Suspected label errors',
            (
                f'{counted(len(doubtful), "image")} with another class predicted, and as confidently as this class is '
                'on average on its own images (confident learning, arXiv:1911.00068): look whether the label is right.'
                if len(doubtful)
                else 'No image is predicted to be of another class as confidently as the images of this class are.',
            ),
            pictures=doubtful_pictures,
            files=('label_errors.csv',),
        ),
    ]
    count = len(figures.label)
    facts = (f'{counted(count, "image")}, {counted(len(figures.classes), "class", "classes")}.',)
    return Content(
        facts,
        sections,
        _metrics(figures, doubtful),
        _tables(figures, images, worst, doubtful),
        _lines(figures, len(doubtful)),
    )


def _words(figures: ClassifierFigures, doubtful: int) -> list[str]:
    lines = []
    wrong = figures.confusion - np.diag(np.diag(figures.confusion))
    if wrong.any():
        true, predicted = np.unravel_index(int(wrong.argmax()), wrong.shape)
        lines.append(
            f'the most frequent confusion: {counted(int(wrong[true, predicted]), "image")} of '
            f"'{figures.classes[true]}' taken for '{figures.classes[predicted]}'"
        )
    else:
        lines.append('no class is confused with another')
    lines.append(f'expected calibration error of the scores: {100 * figures.calibration.error:.1f} %')
    lines.append(f'{counted(doubtful, "suspected label error")}' if doubtful else 'no suspected label errors')
    return lines


def _by_class(figures: ClassifierFigures) -> Section:
    known = [values['F1'] for values in figures.by_class.values() if values['F1'] is not None]
    shown = lowest({name: values['F1'] for name, values in figures.by_class.items()}, MOST_ROWS)
    rows = tuple(
        TableRow(
            name,
            (
                Cell(f'{values["images"]:,}'),
                *(
                    percent(values[column], column == 'F1' and len(known) > 1 and values['F1'] == min(known))
                    for column in MEASURED
                ),
            ),
        )
        for name in shown
        for values in [figures.by_class[name]]
    )
    caption = 'In percent; bold: the lowest.'
    if len(shown) < len(figures.by_class):
        caption += f' Of {len(figures.by_class)} classes, those {len(shown)} with the lowest F1; the file has all.'
    return Section('By class', table=Table('', caption, ('class', 'images', *MEASURED), rows), files=('by_class.csv',))


def _pictures(
    figures: ClassifierFigures, chosen: np.ndarray, images: DataSetImages, folder: Path, kind: str
) -> tuple[Picture, ...]:
    found = []
    for rank, index in enumerate(progress(chosen.tolist(), 'drawing') if len(chosen) else (), start=1):
        name = images.name(figures.indices[index])
        picture = enlarged(images.by_index(figures.indices[index]), LARGEST)
        file = f'{PICTURES}/{kind}-{rank:02}.jpg'
        save_picture(picture, folder / file)
        true, predicted = figures.classes[figures.label[index]], figures.classes[figures.predicted[index]]
        found.append(
            Picture(
                f'{true}, taken for {predicted}',
                f'{name}: {figures.score[index]:.2f} for {predicted}, {figures.label_score[index]:.2f} for {true}',
                file=file,
                size=picture.size,
            )
        )
    return tuple(found)


def _metrics(figures: ClassifierFigures, doubtful: np.ndarray) -> dict[str, object]:
    return dict(
        kind='classifier',
        images=len(figures.label),
        accuracy=figures.accuracy,
        by_class=figures.by_class,
        confusion=confusion_metrics(figures.confusion, figures.classes, figures.classes),
        calibration=calibration_metrics(figures.calibration),
        suspected_label_errors=len(doubtful),
    )


def _tables(
    figures: ClassifierFigures, images: DataSetImages, worst: np.ndarray, doubtful: np.ndarray
) -> dict[str, list[list]]:
    def rows(chosen: np.ndarray) -> list[list]:
        return [
            ['image', 'class', 'predicted', 'score', 'score of the class'],
            *(
                [
                    images.name(figures.indices[index]),
                    figures.classes[figures.label[index]],
                    figures.classes[figures.predicted[index]],
                    float(figures.score[index]),
                    float(figures.label_score[index]),
                ]
                for index in chosen
            ),
        ]

    return {
        'by_class.csv': [
            ['class', 'images', *MEASURED],
            *(
                [name, values['images'], *(values[column] for column in MEASURED)]
                for name, values in figures.by_class.items()
            ),
        ],
        CONFUSION_FILE: confusion_rows(figures.confusion, figures.classes, figures.classes),
        CALIBRATION_FILE: calibration_rows(figures.calibration),
        'images.csv': rows(worst),
        'label_errors.csv': rows(doubtful),
    }


def _lines(figures: ClassifierFigures, doubtful: int) -> list[str]:
    lines = [', '.join(f'{name} {value:.1f} %' for name, value in figures.accuracy.items()), '']
    names = lowest({name: values['F1'] for name, values in figures.by_class.items()}, MOST_CLASSES)
    if len(names) < len(figures.by_class):
        lines.append(f'the {MOST_CLASSES} classes with the lowest F1:')
    lines.append(
        text_table(
            ('class', 'images', *MEASURED),
            [
                (
                    name,
                    str(figures.by_class[name]['images']),
                    *(
                        'n/a' if figures.by_class[name][column] is None else f'{figures.by_class[name][column]:.3f}'
                        for column in MEASURED
                    ),
                )
                for name in names
            ],
        )
    )
    return [*lines, '', *_words(figures, doubtful)]
