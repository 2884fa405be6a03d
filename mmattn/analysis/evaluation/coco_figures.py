"""All of COCO's figures in full precision: mmdet rounds them to three digits, and keeps half of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

# As mmdet calls the first six of pycocotools' figures.
PRECISIONS = ('mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l')
SIZES = ('s', 'm', 'l')


@contextmanager
def recorded_evaluations() -> Iterator[list]:
    """The COCOeval objects that come to their summary inside the context, in this order."""
    from mmdet.datasets.api_wrappers import COCOeval, COCOevalMP

    found, originals = [], {cls: cls.summarize for cls in (COCOeval, COCOevalMP)}

    def recording(summarize):
        def run(evaluation):
            summarize(evaluation)
            found.append(evaluation)

        return run

    for cls, summarize in originals.items():
        cls.summarize = recording(summarize)
    try:
        yield found
    finally:
        for cls, summarize in originals.items():
            cls.summarize = summarize


def figures_of(evaluation) -> dict[str, Any]:
    """Average precisions and recalls of a COCOeval that was summarised, and those of each class.

    Args:
        evaluation: COCOeval of pycocotools or hotcoco, or mmdet's with several processes.

    Returns:
        By the names of mmdet's CocoMetric, 'bbox_mAP_50' and the like, and 'bbox_AR@100' for the limits of detections
        that there are; -1 where there are no objects. In 'bbox_classwise' the precisions by class, and the recall with
        the largest limit; None where it has no objects. Of proposals, whose classes do not count, the recalls without
        'bbox_'.
    """
    params, stats = evaluation.params, [float(value) for value in evaluation.stats]
    limits = list(params.maxDets)[: len(stats) - len(PRECISIONS) - len(SIZES)]
    recalls: dict[str, Any] = dict(
        zip(
            (*(f'AR@{limit}' for limit in limits), *(f'AR_{size}@{limits[-1]}' for size in SIZES)),
            stats[len(PRECISIONS) :],
            strict=True,
        )
    )
    if not params.useCats:
        return recalls
    kind = params.iouType
    return {
        **{f'{kind}_{name}': value for name, value in zip(PRECISIONS, stats)},
        **{f'{kind}_{name}': value for name, value in recalls.items()},
        f'{kind}_classwise': _by_class(evaluation, limits),
    }


def class_precisions(evaluation) -> dict[str, float]:
    """What mmdet's CocoMetric calls NAME_precision with ``classwise=True``, by this name; NaN without objects."""
    precision = evaluation.eval['precision']
    return {f'{name}_precision': _mean(precision[:, :, k, 0, -1]) for k, name in enumerate(_names(evaluation))}


def _by_class(evaluation, limits: list[int]) -> dict[str, dict[str, float]]:
    """By the limits that the figures over all classes are taken with."""
    ious = np.asarray(evaluation.params.iouThrs)
    precision, recall = (np.asarray(evaluation.eval[name]) for name in ('precision', 'recall'))
    last = len(limits) - 1
    # pycocotools takes AP with 100 detections; mmdet's own, with several processes, with the most.
    first = limits.index(100) if 100 in limits and type(evaluation).__name__ == 'COCOeval' else last
    found = {}
    for k, name in enumerate(_names(evaluation)):
        rows = [
            precision[:, :, k, 0, first],
            *(precision[np.isclose(ious, iou), :, k, 0, last] for iou in (0.5, 0.75)),
            *(precision[:, :, k, area, last] for area in (1, 2, 3)),
        ]
        found[name] = dict(zip(PRECISIONS, map(_mean, rows), strict=True))
        found[name][f'AR@{limits[last]}'] = _mean(recall[:, k, 0, last])
    return found


def _names(evaluation) -> list[str]:
    categories = evaluation.cocoGt.cats  # of which hotcoco makes a copy at each access
    return [str(categories[category]['name']) for category in evaluation.params.catIds]


def _mean(values: np.ndarray) -> float:
    values = values[values > -1]
    return float(values.mean()) if values.size else float('nan')
