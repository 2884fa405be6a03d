"""COCO's average precisions: their names in mmdet's logs and in tables."""
import math
from collections.abc import Mapping

COLUMNS = {
    'AP': 'mAP', 'AP50': 'mAP_50', 'AP75': 'mAP_75', 'AP_S': 'mAP_s', 'AP_M': 'mAP_m',
    'AP_L': 'mAP_l'
}
ROWS = {'box': 'bbox', 'mask': 'segm'}


def average_precisions(metrics: Mapping[str, float]) -> dict[str, dict[str, float | None]]:
    """The metrics of a validation as ``{'box': {'AP': 0.39, …}, 'mask': …}``.

    Rows that were not evaluated are left out. COCO's -1, for a size class without objects, and
    what is missing become None.
    """
    table = {}
    for row, evaluated in ROWS.items():
        if any(f'{evaluated}_{name}' in metrics for name in COLUMNS.values()):
            table[row] = {
                column: _value(metrics.get(f'{evaluated}_{name}'))
                for column, name in COLUMNS.items()}
    return table


def format_table(table: Mapping[str, Mapping[str, float | None]]) -> str:
    """Rows and columns of :func:`average_precisions` as aligned text; None reads 'n/a'."""
    lines = [' ' * 6 + ''.join(f'{column:>8}' for column in COLUMNS)]
    for row, values in table.items():
        cells = ('n/a' if values[column] is None else f'{values[column]:.3f}'
                 for column in COLUMNS)
        lines.append(f'{row:<6}' + ''.join(f'{cell:>8}' for cell in cells))
    return '\n'.join(lines)


def _value(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) or value < 0 else value
