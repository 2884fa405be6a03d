"""A segmentor's figures in words, and as lines for a terminal."""

from __future__ import annotations

import numpy as np

from mmattn.analysis.counted import counted
from mmattn.analysis.evaluation.pixels import BORDER
from mmattn.analysis.evaluation.segmentor_figures import SegmentorFigures
from mmattn.data.text import few

from .content import MOST_CLASSES, lowest, text_table
from .segmentor_tables import MEASURES


def share(value: float) -> str:
    """A share from 0 to 1 as text in percent."""
    return '< 0.1 %' if 0 < value < 0.0005 else f'{100 * value:.1f} %'


def in_short(figures: SegmentorFigures) -> list[str]:
    """What the figures say, in sentences without capital and full stop.

    Args:
        figures: Figures of the segmentor.
    """
    sentences = (
        _range(figures),
        _confused(figures),
        _near(figures),
        _absent(figures),
        f'expected calibration error of the scores: {100 * figures.calibration.error:.1f} %',
        f'{counted(len(figures.doubtful), "suspected label error")}: regions confidently predicted as another class'
        if figures.doubtful
        else 'no suspected label errors: no region is confidently predicted as another class',
    )
    return [words for words in sentences if words]


def lines_of(figures: SegmentorFigures) -> list[str]:
    """Lines for a terminal: the means, a table by class, and what they say."""
    classes = figures.by_class
    names = lowest({name: values['IoU'] for name, values in classes.items()}, MOST_CLASSES)
    lines = [', '.join(f'{name} {100 * value:.2f} %' for name, value in figures.means.items()), '']
    if len(names) < len(classes):
        lines.append(f'the {MOST_CLASSES} classes with the lowest IoU:')
    rows = [
        (name, *('n/a' if (value := classes[name][measure]) is None else f'{100 * value:.2f}' for measure in MEASURES))
        for name in names
    ]
    return [*lines, text_table(('class', *MEASURES), rows), '', *in_short(figures)]


def _range(figures: SegmentorFigures) -> str:
    known = {name: iou for name, values in figures.by_class.items() if (iou := values['IoU']) is not None}
    if len(known) < 2:
        return ''
    ranked = sorted(known, key=lambda name: known[name])
    lowest_few = ', '.join(f'{name} ({share(known[name])})' for name in ranked[: max(1, min(3, len(ranked) // 3))])
    return f'lowest IoU by class: {lowest_few}; highest: {ranked[-1]} ({share(known[ranked[-1]])})'


def _confused(figures: SegmentorFigures) -> str:
    wrong = figures.confusion - np.diag(np.diag(figures.confusion))
    if not wrong.any():
        return 'no class is confused with another'
    true, predicted = np.unravel_index(int(wrong.argmax()), wrong.shape)
    return (
        f"the most frequent confusion: '{figures.rows[true]}' taken for '{figures.rows[predicted]}', "
        f'{share(wrong[true, predicted] / wrong.sum())} of the wrong pixels'
    )


def _near(figures: SegmentorFigures) -> str:
    near, near_wrong = figures.near
    wrong = int((figures.areas.counted - figures.areas.right.sum(axis=1)).sum())
    if not near or not wrong:
        return ''
    return (
        f'{share(near_wrong / wrong)} of the wrong pixels are up to {BORDER} px from a border between classes, as '
        f'{share(near / figures.areas.counted.sum())} of all pixels are'
    )


def _absent(figures: SegmentorFigures) -> str:
    absent = [name for name, values in figures.by_class.items() if not values['pixels']]
    missed = [name for name, values in figures.by_class.items() if values['pixels'] and not values['predicted']]
    found = []
    if missed:
        found.append(f'never predicted: {few(missed)}')
    if absent:
        found.append(f'not annotated in these images: {few(absent)}')
    return '; '.join(found)
