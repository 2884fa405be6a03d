"""Kinds of a detector's errors, and the AP that each costs: TIDE (Bolya et al. 2020, arXiv:2008.08115).

A detection that is wrong has one of five kinds, and an object that none of them could have found is missed. What a kind
costs is the AP50 that the detector would have gained without it: wrong classes and boxes corrected where the object was
not found otherwise, all other wrong detections of the kind removed, missed objects not counted. The gains do not add up
to what is missing, as one error may hide another. Detections in crowds are no errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .box_matches import BACKGROUND_IOU, IOU, NONE, Matches
from .precision_recall import average_precision

CLASS, PLACE, BOTH, DUPLICATE, BACKGROUND, MISSED = KINDS = (
    'classification',
    'localisation',
    'both',
    'duplicate',
    'background',
    'missed',
)
MEANING = {
    CLASS: 'right place, wrong class',
    PLACE: 'right class, IoU between 0.1 and 0.5',
    BOTH: 'wrong class, IoU between 0.1 and 0.5',
    DUPLICATE: 'the object was found already, with a higher score',
    BACKGROUND: 'nothing is annotated there',
    MISSED: 'no detection was even close',
}


@dataclass(frozen=True)
class ErrorKinds:
    """Errors of a detector by their kinds.

    Args:
        ap: AP at an IoU of 0.5, averaged over the classes with objects, from 0 to 1; NaN without objects.
        cost: AP that the detector would gain without the errors of a kind, by `KINDS`.
        number: Number of errors of each kind.
        kind: Kind of each detection as an index in `KINDS`, -1 for no error, (D,).
        missed: Whether each object is missed, so that not even a correction would find it, (G,).
    """

    ap: float
    cost: dict[str, float]
    number: dict[str, int]
    kind: np.ndarray
    missed: np.ndarray


def error_kinds(matches: Matches) -> ErrorKinds:
    """Sorts all errors of a detector by their kinds, whatever the score, and says what each kind costs.

    Args:
        matches: Detections matched with the objects.
    """
    kind = _kinds(matches)
    found, target = matches.found, np.full(len(matches), NONE)
    target[kind == KINDS.index(CLASS)] = matches.other[kind == KINDS.index(CLASS)]
    target[kind == KINDS.index(PLACE)] = matches.same[kind == KINDS.index(PLACE)]
    target[np.isin(target, np.flatnonzero(found))] = NONE  # found by another detection: nothing to gain
    target = _best_only(target, matches.score)
    missed = ~found & ~matches.objects.ignored
    missed[target[target != NONE]] = False
    ap = _ap(matches, matches.right, matches.label, ~matches.ignored)
    cost = {}
    for index, name in enumerate(KINDS):
        wrong = kind == index
        corrected = wrong & (target != NONE)
        label = (
            np.where(corrected, matches.objects.label[target], matches.label) if len(matches.objects) else matches.label
        )
        cost[name] = (
            _ap(
                matches,
                matches.right | corrected,
                label,
                ~matches.ignored & ~(wrong & ~corrected),
                missed if name == MISSED else None,
            )
            - ap
        )
    number = {name: int((kind == index).sum()) for index, name in enumerate(KINDS)}
    number[MISSED] = int(missed.sum())
    return ErrorKinds(ap, cost, number, kind, missed)


def _kinds(matches: Matches) -> np.ndarray:
    """Kind of each detection, (D,), tested in TIDE's order."""
    same, other = matches.same_iou, matches.other_iou
    conditions = {
        PLACE: (same >= BACKGROUND_IOU) & (same < IOU),
        CLASS: other >= IOU,
        DUPLICATE: same >= IOU,
        BACKGROUND: np.maximum(same, other) <= BACKGROUND_IOU,
    }
    kind = np.select(list(conditions.values()), [KINDS.index(name) for name in conditions], KINDS.index(BOTH))
    kind[matches.right | matches.ignored] = NONE
    return kind


def _best_only(target: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Leaves each object to the detection with the highest score of those whose correction would find it."""
    kept, taken = np.full(len(target), NONE), set()
    for index in np.argsort(-score, kind='stable'):
        if target[index] != NONE and target[index] not in taken:
            taken.add(target[index])
            kept[index] = target[index]
    return kept


def _ap(
    matches: Matches, right: np.ndarray, label: np.ndarray, counted: np.ndarray, uncounted: np.ndarray | None = None
) -> float:
    """Mean over the classes of the AP of those detections that are counted, as if they had these labels."""
    sought = ~matches.objects.ignored if uncounted is None else ~matches.objects.ignored & ~uncounted
    objects = np.bincount(matches.objects.label[sought], minlength=len(matches.classes))
    present = np.bincount(matches.objects.label[~matches.objects.ignored], minlength=len(matches.classes)) > 0
    values = []
    for index in np.flatnonzero(present):
        own = counted & (label == index)
        # Without its missed objects a class may have none left: all that was to be found is found then.
        values.append(average_precision(right[own], matches.score[own], objects[index]) if objects[index] else 1.0)
    return float(np.mean(values)) if values else float('nan')
