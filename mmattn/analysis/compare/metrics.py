"""The metrics that are compared, in percent, by one name in all tables: 'box AP50', 'mask AP', 'top-1', …"""
from collections.abc import Mapping

from mmattn.analysis.runs.ap import COLUMNS, average_precisions

TOP = {'top-1': 'top1', 'top-5': 'top5'}
DETECTION = tuple(f'{kind} {column}' for kind in ('box', 'mask') for column in COLUMNS)
METRICS = (*DETECTION, *TOP)
# Those whose curves over the training are drawn.
LEARNED = ('box AP', 'mask AP', 'top-1')


def in_percent(logged: Mapping[str, float]) -> dict[str, float]:
    """The metrics of a validation, of an mmdet or mmpretrain log, in percent.

    Only those that have a value: a size class without objects, or a validation in which nothing was detected, has none.
    """
    found = {f'{kind} {column}': round(100 * value, 6) for kind, values in average_precisions(logged).items()
             for column, value in values.items() if value is not None}
    # The accuracies are in percent already; NaN is not equal to itself.
    found.update({name: logged[key] for name, key in TOP.items() if key in logged and logged[key] == logged[key]})
    return found
