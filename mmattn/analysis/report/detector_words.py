"""A detector's figures in words, and as lines for a terminal."""

from __future__ import annotations

import numpy as np

from mmattn.analysis.counted import counted
from mmattn.analysis.evaluation.detector_figures import AR, DetectorFigures
from mmattn.analysis.evaluation.error_kinds import KINDS
from mmattn.analysis.runs.metrics import COLUMNS, format_table

from .content import MOST_CLASSES, lowest, text_table

PHRASES = {
    'classification': 'wrong classes',
    'localisation': 'badly placed boxes',
    'both': 'wrong classes with badly placed boxes',
    'duplicate': 'objects detected twice',
    'background': 'detections where nothing is annotated',
    'missed': 'missed objects',
}


def classes_by_objects(figures: DetectorFigures) -> list[int]:
    """Labels of the classes with objects, those with the most first."""
    counts = [figures.matches.count(label) for label in range(len(figures.matches.classes))]
    return [label for label in np.argsort(-np.array(counts), kind='stable').tolist() if counts[label]]


def in_short(figures: DetectorFigures, doubtful: int) -> list[str]:
    """Sentences for the head of the page.

    Args:
        figures: Figures of the detector.
        doubtful: Number of suspected label errors.
    """
    lines = [_sentence(largest_kind(figures))]
    row, classes = next(iter(figures.by_class.items()))
    known = {name: ap for name, values in classes.items() if (ap := values['AP']) is not None}
    if len(known) > 1:
        ranked = sorted(known, key=lambda name: known[name])
        worst, best = ranked[: max(1, min(3, len(ranked) // 3))], ranked[-1]
        few = ', '.join(f'{name} ({100 * known[name]:.1f})' for name in worst)
        lines.append(f'Lowest {row} AP by class: {few}; highest: {best} ({100 * known[best]:.1f}).')
    lines.append(_sentence(_calibration_words(figures)))
    lines.append(_sentence(_label_words(doubtful)))
    return lines


def _sentence(text: str) -> str:
    return f'{text[0].upper()}{text[1:]}.'


def lines_of(figures: DetectorFigures, doubtful: int) -> list[str]:
    """Lines for a terminal; see `in_short`."""
    lines = [format_table(figures.overall), '']
    row, classes = next(iter(figures.by_class.items()))
    columns = (*COLUMNS, AR)
    present = {
        name: classes[name]['AP']
        for label in sorted(classes_by_objects(figures))
        for name in [figures.matches.classes[label]]
    }
    names = lowest(present, MOST_CLASSES)
    if len(names) < len(present):
        lines.append(f'the {MOST_CLASSES} classes with the lowest AP:')
    lines.append(
        text_table(
            (f'class ({row})', *columns),
            [
                (
                    name,
                    *('n/a' if classes[name][column] is None else f'{classes[name][column]:.3f}' for column in columns),
                )
                for name in names
            ],
        )
    )
    if not len(figures.matches):
        lines.append('the model detects nothing in these images')
    return [*lines, '', largest_kind(figures), _calibration_words(figures), _label_words(doubtful)]


def largest_kind(figures: DetectorFigures) -> str:
    """The kind of error that costs most AP, in words."""
    kinds = figures.kinds
    name = max(KINDS, key=lambda kind: kinds.cost[kind])
    if not kinds.cost[name] > 0:
        return 'no kind of error costs AP at an IoU of 0.5'
    return (
        f'the errors that cost most are {PHRASES[name]}: without them AP50 of the boxes would be '
        f'{100 * kinds.cost[name]:.1f} points higher ({kinds.number[name]:,} of them)'
    )


def _calibration_words(figures: DetectorFigures) -> str:
    error = figures.calibration.error
    if np.isnan(error):
        return 'there are no detections whose scores could be compared with anything'
    used = figures.calibration.count > 0
    high = (
        float(
            np.average(
                (figures.calibration.score - figures.calibration.right)[used], weights=figures.calibration.count[used]
            )
        )
        > 0
    )
    return (
        f'expected calibration error of the scores: {100 * error:.1f} % (they are too '
        f'{"high" if high else "low"} on average)'
    )


def _label_words(doubtful: int) -> str:
    return (
        f'{counted(doubtful, "suspected label error")}: confident detections where nothing is annotated'
        if doubtful
        else 'no suspected label errors: no confident detection lies where nothing is annotated'
    )
