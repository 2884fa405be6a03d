"""Figures of mmsegmentation's IoUMetric in full precision, by class too, which are else in a table of the log alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def record_iou(metric: Any, figures: dict[str, object]) -> None:
    """Has an IoUMetric leave its figures where it is computed, in percent as in the log.

    Args:
        metric: The metric, which will be computed as before.
        figures: What gets the figures: aAcc, mIoU, mAcc and whatever else it computes, and those of each class as
            'IoU/car', 'Acc/car'; NaN of a class that neither occurs nor is predicted.
    """
    compute = metric.total_area_to_metrics
    prefix = f'{metric.prefix}/' if metric.prefix else ''

    def computing(*areas: Any, **options: Any) -> Mapping[str, np.ndarray]:
        found = compute(*areas, **options)
        for name, values in found.items():
            percent = 100 * np.asarray(values, np.float64)
            if percent.ndim == 0:
                figures[f'{prefix}{name}'] = float(percent)
                continue
            figures[f'{prefix}m{name}'] = float(np.nanmean(percent))
            classes = metric.dataset_meta['classes']
            figures.update({f'{prefix}{name}/{of}': float(value) for of, value in zip(classes, percent, strict=True)})
        return found

    metric.total_area_to_metrics = computing
