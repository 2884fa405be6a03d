"""Metrics of a validation by one name in all tables: COCO's average precisions, mIoU and top-1 accuracy, and others."""

import math
from collections.abc import Mapping

# By its name in tables: the name of an average precision in mmdet's logs, and of what it is of.
COLUMNS = {'AP': 'mAP', 'AP50': 'mAP_50', 'AP75': 'mAP_75', 'AP_S': 'mAP_s', 'AP_M': 'mAP_m', 'AP_L': 'mAP_l'}
ROWS = {'box': 'bbox', 'mask': 'segm'}
TOP = {'top-1': 'top1', 'top-5': 'top5'}
# Of mmseg's IoUMetric: mean IoU and mean accuracy of the classes, accuracy of all pixels.
PIXELS = {'mIoU': 'mIoU', 'mAcc': 'mAcc', 'aAcc': 'aAcc'}
# All that can be compared, and the main ones, whose curves over the training are drawn.
METRICS = (*(f'{row} {column}' for row in ROWS for column in COLUMNS), *PIXELS, *TOP)
MAIN = ('box AP', 'mask AP', 'mIoU', 'top-1')


def average_precisions(metrics: Mapping[str, float]) -> dict[str, dict[str, float | None]]:
    """COCO's average precisions of a validation as ``{'box': {'AP': 0.39, …}, 'mask': …}``, from 0 to 1.

    Rows that were not evaluated are left out. COCO's -1, for a size class without objects, and what is missing become
    None.

    Args:
        metrics: Metrics of the validation by their names in mmdet's logs, without prefix ('bbox_mAP_50').
    """
    table = {}
    for row, evaluated in ROWS.items():
        if any(f'{evaluated}_{name}' in metrics for name in COLUMNS.values()):
            table[row] = {column: _value(metrics.get(f'{evaluated}_{name}')) for column, name in COLUMNS.items()}
    return table


def pixel_means(metrics: Mapping[str, float]) -> dict[str, float]:
    """Means over the pixels and classes of a validation as ``{'mIoU': 0.89, …}``, from 0 to 1, of those that it has.

    Args:
        metrics: Metrics of the validation by their names in mmseg's logs, without prefix, in percent.
    """
    # IoUMetric's have two digits, and float32's error behind them.
    found = {name: _value(metrics.get(key)) for name, key in PIXELS.items()}
    return {name: round(value, 4) / 100 for name, value in found.items() if value is not None}


def in_percent(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics of a validation in percent, by their names in `METRICS`.

    Only those that have a value: a size class without objects, or a validation in which nothing was detected, has none.

    Args:
        metrics: Metrics of the validation by their names in the logs of mmdet, mmseg or mmpretrain, without prefix.
    """
    found = {
        f'{row} {column}': round(100 * value, 6)
        for row, values in average_precisions(metrics).items()
        for column, value in values.items()
        if value is not None
    }
    found.update({name: round(100 * value, 4) for name, value in pixel_means(metrics).items()})
    # these are in percent already
    found.update({name: metrics[key] for name, key in TOP.items() if _value(metrics.get(key)) is not None})
    return found


def format_table(table: Mapping[str, Mapping[str, float | None]]) -> str:
    """The average precisions of `average_precisions` as aligned text; None reads 'n/a'.

    Args:
        table: Values from 0 to 1 by row and column.
    """
    lines = [' ' * 6 + ''.join(f'{column:>8}' for column in COLUMNS)]
    for row, values in table.items():
        cells = ('n/a' if values[column] is None else f'{values[column]:.3f}' for column in COLUMNS)
        lines.append(f'{row:<6}' + ''.join(f'{cell:>8}' for cell in cells))
    return '\n'.join(lines)


def _value(value: float | None) -> float | None:
    """None for what is no number, too: a log may hold anything under any name."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) and value >= 0 else None
