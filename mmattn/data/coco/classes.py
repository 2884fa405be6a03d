"""Categories of a COCO file, and the classes of a config held against them.

mmdet numbers labels by those categories of the file, in its order, whose names are classes of the config; the names of
labels come from the config. Both agree only if all classes are in the file and in the same order.
"""

from collections import Counter
from collections.abc import Sequence

from mmattn.data.coco.entries import repeated
from mmattn.data.report import Report
from mmattn.data.text import few, shown, word


def check_names(report: Report, categories: Sequence[dict]) -> None:
    """Looks at the names of the categories themselves.

    Args:
        report: Report that problems are added to.
        categories: Entries of ``categories`` that have ids.
    """
    for entry in categories:
        if 'name' in entry and not _is_text(entry['name']):
            report.problems.add(
                'names of categories that are no text',
                f'category {shown(entry["id"])}: {shown(entry["name"])}',
                doubtful=isinstance(entry['name'], (str, int, float)),
            )
    for name, times in repeated(_key(entry.get('name')) for entry in categories if 'name' in entry):
        report.problems.add(
            'duplicated names of categories', f'{shown(name)}, {times} times (mmdet gives each a label of its own)'
        )


def check_classes(
    report: Report, classes: Sequence, categories: Sequence[dict], objects: Counter, evaluated: bool
) -> None:
    """Compares the classes of a config with the categories.

    Args:
        report: Report that problems are added to.
        classes: Class names of the config, in the order of the labels.
        categories: Entries of ``categories`` that have ids.
        objects: Number of annotations of each category's id.
        evaluated: Whether pycocotools reads the file, with a category for each label.
    """
    for name in classes:
        if not _is_text(name):
            report.problems.add(
                'classes of the config that are no text',
                f'{shown(name)} (no name can be drawn or printed from it); write it in quotes',
            )
    for name, times in repeated(map(_key, classes)):
        report.problems.add('duplicated classes of the config', f'{shown(name)}, {times} times')
    names = [entry['name'] for entry in categories if 'name' in entry]
    common = [name for name in names if name in classes]
    _report_missing(report, classes, names, common, evaluated)
    for entry in categories:
        if 'name' in entry and entry['name'] not in classes:
            report.problems.add(
                'categories that are no class of the config (left out)',
                f'{word(entry["name"])}, {objects[entry["id"]]} annotations',
                left_out=True,
            )
    if common != [name for name in classes if name in common]:
        report.problems.add(
            'classes in another order',
            'mmdet numbers classes in the order of the '
            f'file, so results get wrong names; set classes={shown(tuple(common))}',
        )


def _report_missing(report: Report, classes: Sequence, names: list, common: list, evaluated: bool) -> None:
    if classes and not common:
        report.problems.add(
            'annotations without a class of the config',
            f'their categories are {few(names)}, the classes {few(classes)}: set metainfo.classes of the data set',
        )
        return
    last = max((index for index, name in enumerate(classes) if name in names), default=-1)
    for index, name in enumerate(classes):
        if name in names:
            continue
        alike = [other for other in names if str(other).strip().lower() == str(name).strip().lower()]
        hint = f' (there is {shown(alike[0])})' if alike else ''
        if index < last:
            report.problems.add(
                'classes of the config that the annotations lack, so that labels after them shift',
                f'{word(name)}{hint}',
            )
        else:  # a label without a category fails when its detections are written down
            report.problems.add(
                'classes of the config that the annotations lack',
                f'{word(name)}{hint}',
                doubtful=not evaluated and not alike,
            )


def _is_text(name: object) -> bool:
    """Whether this is text that can be written to a file or drawn: not empty, and no half of a surrogate pair."""
    return isinstance(name, str) and bool(name.strip()) and not any('\ud800' <= each <= '\udfff' for each in name)


def _key(name: object) -> object:
    """A name as something hashable that differs where names differ."""
    return name if isinstance(name, str) else shown(name)
