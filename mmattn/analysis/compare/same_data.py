"""Whether runs were validated on the same classes, images and annotations, so that their metrics can be compared."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from mmattn.analysis.evaluation.checkpoint_predictions import annotations_of
from mmattn.analysis.runs.tested_data import ClassNames
from mmattn.data.text import few

from .runs import Run


def unlike_data(runs: Sequence[Run]) -> str:
    """What keeps the metrics of runs from being compared, a sentence; '' where nothing is known to.

    Only runs that have a metric in common are looked at. Data that are no longer there are not known to differ.

    Args:
        runs: Runs, evaluated where they have predictions; the first is what the others are compared with.
    """
    found = []
    for index, run in enumerate(runs):
        other = next((one for one in runs[:index] if one.metrics.keys() & run.metrics.keys()), None)
        if other is not None and (difference := _difference(run, other)):
            found.append(f'{run.name} was validated on {difference}')
    return f'{"; ".join(found)}: their metrics cannot be compared' if found else ''


def _difference(run: Run, other: Run) -> str:
    own, others = _classes(run), _classes(other)
    if own and others and sorted(own) != sorted(others):
        return f'other classes ({few(own)}) than {other.name} ({few(others)})'
    digests = _digest(run), _digest(other)
    if (None not in digests and digests[0] != digests[1]) or (
        run.evaluation and other.evaluation and run.evaluation.images != other.evaluation.images
    ):
        return f'other images or annotations than {other.name}'
    return ''


def _classes(run: Run) -> tuple[str, ...]:
    try:
        return () if run.cfg is None else ClassNames.of(None, run.cfg).names
    except Exception:  # noqa: BLE001  a config may hold anything, and must not cost the report of the others
        return ()


def _digest(run: Run) -> bytes | None:
    """Hash of what the validation images are evaluated by; None where it is not there."""
    try:
        parts = [] if run.cfg is None else [hashlib.sha256(part).digest() for part in annotations_of(run.cfg)]
    except Exception:  # noqa: BLE001  as above
        return None
    return b''.join(parts) or None
