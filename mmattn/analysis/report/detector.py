"""Report of a detector: its figures as sections of a page."""

from __future__ import annotations

from pathlib import Path

from mmattn.analysis.counted import counted
from mmattn.analysis.evaluation.detector_figures import AR, DetectorFigures
from mmattn.analysis.evaluation.error_kinds import KINDS, MEANING
from mmattn.analysis.evaluation.label_errors import missing_annotations
from mmattn.analysis.page import Cell, Section, Table, TableRow
from mmattn.analysis.runs.metrics import COLUMNS

from .calibration_section import calibration_section
from .charts import bars, precision_recall
from .confusion_table import confusion_section
from .content import MOST_ROWS, Content, lowest, number, percent
from .detector_pictures import label_error_section, worst_section
from .detector_tables import confusion_names, detector_metrics, detector_tables
from .detector_words import classes_by_objects, in_short, lines_of
from .images import DataSetImages
from .mistakes import count_mistakes

# Classes whose curves are drawn.
CURVES = 8


def report_detector(figures: DetectorFigures, images: DataSetImages, folder: Path, most: int) -> Content:
    """The content of a detector's report, its pictures written.

    Args:
        figures: Figures of the detector.
        images: Its images.
        folder: Folder of the report.
        most: Number of the worst images, and of the suspected label errors, that are shown.
    """
    mistakes, doubtful = count_mistakes(figures), missing_annotations(figures.matches)
    shown = classes_by_objects(figures)[:CURVES]
    matches = figures.matches
    facts = [
        f'{counted(len(matches.images), "image")}, {counted(matches.count(), "annotated object")}, '
        f'{counted(len(matches.classes), "class", "classes")}, {counted(len(matches), "detection")}.'
    ]
    if not len(matches):
        facts.append(
            'The model detects nothing in these images: train it longer, or lower the score_thr of its test_cfg.'
        )
    sections = [
        Section('In short', items=tuple(in_short(figures, len(doubtful)))),
        _overall(figures),
        *_by_class(figures),
        _errors(figures),
        _confusion(figures),
        _curves(figures, shown),
        calibration_section(figures.calibration, 'detections'),
        *_sizes(figures),
        worst_section(figures, mistakes, images, folder, most),
        label_error_section(figures, doubtful, images, folder, most),
    ]
    series = tuple(matches.classes[label] for label in shown)
    return Content(
        tuple(facts),
        sections,
        detector_metrics(figures, mistakes, doubtful),
        detector_tables(figures, mistakes, doubtful),
        lines_of(figures, len(doubtful)),
        series if len(series) > 1 else (),
    )


def _overall(figures: DetectorFigures) -> Section:
    columns = (*COLUMNS, AR)
    rows = tuple(
        TableRow(name, tuple(percent(values[column]) for column in columns)) for name, values in figures.overall.items()
    )
    return Section(
        'Average precision',
        table=Table(
            '',
            f"COCO's figures in percent, by {figures.library}. AP_S, AP_M, AP_L: of objects with less than 32 × 32, "
            f'up to 96 × 96, and more square pixels. AR: average recall with at most {figures.detections} detections '
            'in an image.',
            ('', *columns),
            rows,
        ),
    )


def _by_class(figures: DetectorFigures) -> list[Section]:
    sections, present = [], {figures.matches.classes[label]: label for label in sorted(classes_by_objects(figures))}
    absent = [name for name in figures.matches.classes if name not in present]
    for row, classes in figures.by_class.items():
        worst = min((values['AP'] for values in classes.values() if values['AP'] is not None), default=None)
        boxes = row == next(iter(figures.by_class))
        columns = ('objects', *COLUMNS, AR, *(('best threshold', 'precision', 'recall', 'F1') if boxes else ()))
        rows = []
        shown = lowest({name: classes[name]['AP'] for name in present}, MOST_ROWS)
        for name in shown:
            label, values = present[name], classes[name]
            best = figures.best[label]
            cells = [
                Cell(f'{figures.matches.count(label):,}'),
                *(
                    percent(values[column], column == 'AP' and len(classes) > 1 and values['AP'] == worst is not None)
                    for column in (*COLUMNS, AR)
                ),
            ]
            if boxes:
                cells += [
                    number(best.score if best else None, 2),
                    *(percent(getattr(best, part) if best else None) for part in ('precision', 'recall', 'f1')),
                ]
            rows.append(TableRow(name, tuple(cells)))
        caption = 'In percent.'
        if boxes:
            caption += (
                ' Best threshold: the least score of the detections to keep for the best F1 of the boxes at an '
                'IoU of 0.5; precision, recall and F1 are with it.'
            )
        if len(shown) < len(present):
            caption += f' Of {len(present)} classes, those {len(shown)} with the lowest AP; the file has all.'
        if absent:
            caption += f' {_without_objects(absent)}'
        sections.append(
            Section(
                f'By class: {"boxes" if row == "box" else "masks"}',
                table=Table('', caption, ('class', *columns), tuple(rows)),
                files=('by_class.csv',),
            )
        )
    return sections


def _without_objects(names: list[str]) -> str:
    if len(names) <= 5:
        return f'Without objects in these images: {", ".join(names)}.'
    return f'{len(names)} other classes have no objects in these images.'


def _errors(figures: DetectorFigures) -> Section:
    kinds = figures.kinds
    rows = tuple(
        TableRow(name, (Cell(f'{kinds.number[name]:,}'), percent(kinds.cost[name])), detail=MEANING[name])
        for name in KINDS
    )
    return Section(
        'What the errors cost',
        (
            f'Kinds of errors as in TIDE (arXiv:2008.08115), of the boxes at an IoU of 0.5 and at any score. AP50 is '
            f'{100 * kinds.ap:.1f} %; a bar is what it would gain if there were no errors of the kind. The gains do '
            'not add up, as one error may hide another.',
        ),
        pictures=(
            bars(
                'AP50 lost to each kind of error', 'points of AP50', KINDS, [100 * kinds.cost[name] for name in KINDS]
            ),
        ),
        table=Table('', '', ('kind', 'errors', 'points of AP50'), rows),
        files=('errors.csv',),
        beside=True,
    )


def _confusion(figures: DetectorFigures) -> Section:
    totals = figures.confusion.sum(axis=1)
    totals[-1] = figures.confusion[:, :-1].sum()
    return confusion_section(
        figures.confusion,
        *confusion_names(figures),
        'Objects by their class and that of the detection that found them (IoU of 0.5 or more), for detections from '
        'the best threshold of their class on. The last row: detections where no object is left to find; the last '
        'column: objects that were missed. The colour is the share of the row, in the last row that of all detections.',
        totals,
        background=True,
    )


def _curves(figures: DetectorFigures, shown: list[int]) -> Section:
    text = 'Precision at each recall, at an IoU of 0.5.'
    if len(figures.matches.classes) > len(shown) and len(shown) == CURVES:
        text += f' Drawn are the {CURVES} classes with the most objects; the file has all.'
    pictures = tuple(
        precision_recall(
            'Boxes' if row == 'box' else 'Masks', [(figures.matches.classes[label], curves[label]) for label in shown]
        )
        for row, curves in figures.curves.items()
    )
    return Section('Precision and recall', (text,), len(shown) > 1, pictures, files=('precision_recall.csv',))


def _sizes(figures: DetectorFigures) -> list[Section]:
    if not any(figures.sizes.values()):
        return []
    pictures = [
        bars(
            f'AP by size: {"boxes" if row == "box" else "masks"}',
            'AP, %',
            [_span(one) for one in bins],
            [100 * one.ap for one in bins],
            limit=112,
        )
        for row, bins in figures.sizes.items()
    ]
    rows = tuple(
        TableRow(
            _span(one),
            (
                Cell(f'{one.objects:,}'),
                *(
                    cell
                    for bins in figures.sizes.values()
                    for cell in (percent(bins[index].ap), percent(bins[index].ap50))
                ),
            ),
        )
        for index, one in enumerate(next(iter(figures.sizes.values())))
    )
    columns = tuple(f'{row} {name}' for row in figures.sizes for name in ('AP', 'AP50'))
    return [
        Section(
            'By size of the objects',
            (
                'Bins with equal numbers of objects. The size is the side of a square with the '
                'annotated area of the object, in pixels of the image file.',
            ),
            pictures=tuple(pictures),
            table=Table('', '', ('size, px', 'objects', *columns), rows),
            files=('sizes.csv',),
            beside=len(pictures) == 1,
        )
    ]


def _span(one) -> str:
    return f'{one.low:.0f} – {one.high:.0f}'
