"""Entries of a COCO file's lists: whether each has its fields, and their ids."""

from collections import Counter
from collections.abc import Iterable, Sequence

from mmattn.data.coco.values import is_id
from mmattn.data.report import Report
from mmattn.data.text import shown

# What mmdet or pycocotools read without asking whether it is there.
_FIELDS = {
    'images': ('id', 'file_name', 'width', 'height'),
    'categories': ('id', 'name'),
    'annotations': ('id', 'image_id', 'category_id', 'bbox', 'area'),
}
_IDS = {key: [name for name in fields if name.endswith('id')] for key, fields in _FIELDS.items()}


def usable_entries(report: Report, content: dict, key: str) -> list[dict]:
    """The entries of a list that have ids, so that more can be said of them; problems are added to the report.

    Args:
        report: Report that problems are added to.
        content: Top level of the file, with a list for `key`.
        key: One of 'images', 'categories' and 'annotations'.
    """
    fields, ids = frozenset(_FIELDS[key]), _IDS[key]
    usable = []
    for index, entry in enumerate(content[key]):
        if not isinstance(entry, dict):
            report.problems.add('entries that are no objects', f'{key}[{index}]: {shown(entry)}')
            continue
        if not fields <= entry.keys():
            lacks = [name for name in _FIELDS[key] if name not in entry]
            report.problems.add('fields missing', f'{_place(key, index, entry)}: {", ".join(lacks)}')
        bad = [name for name in ids if name in entry and not is_id(entry[name])]
        if bad:
            report.problems.add(
                'ids that are no numbers or text',
                f'{_place(key, index, entry)}: ' + ', '.join(f'{name} {shown(entry[name])}' for name in bad),
            )
        elif all(name in entry for name in ids):
            usable.append(entry)
    return usable


def check_ids(report: Report, key: str, entries: Sequence[dict], evaluated: bool) -> None:
    """Looks through the ids of a list's entries.

    Args:
        report: Report that problems are added to.
        key: One of 'images', 'categories' and 'annotations'.
        entries: Those entries that have ids.
        evaluated: Whether pycocotools reads the file, which sorts ids and writes those of annotations into an array.
    """
    ids = [entry['id'] for entry in entries]
    for identifier, times in repeated(ids):
        report.problems.add(f'duplicated ids of {key}', f'{shown(identifier)}, {times} times')
    texts = [each for each in ids if type(each) is str]
    if texts and key == 'annotations':
        report.problems.add(
            'annotations with text for an id',
            f'{len(texts)}, first {shown(texts[0])}: pycocotools takes numbers only',
            doubtful=not evaluated or all(map(str.isdecimal, texts)),
        )
    elif texts and len(texts) < len(ids):
        report.problems.add(
            f'ids of {key} that are text beside others that are numbers',
            f'{len(texts)} of {len(ids)}: pycocotools cannot sort them',
            doubtful=not evaluated,
        )
    fractions = [each for each in ids if type(each) is float and each % 1]
    if fractions:
        report.problems.add(
            f'ids of {key} that are no whole numbers', f'{len(fractions)}, first {fractions[0]}', doubtful=True
        )
    if key == 'annotations' and 0 in ids:
        report.problems.add(
            'annotations with id 0',
            'pycocotools takes 0 for "no match", so that detections of this object count as wrong: number from 1',
            doubtful=not evaluated,
        )


def repeated(values: Iterable) -> list[tuple[object, int]]:
    """Those of some hashable values that are there more than once, with their numbers."""
    return [(value, times) for value, times in Counter(values).items() if times > 1]


def _place(key: str, index: int, entry: dict) -> str:
    return f'{key}[{index}] (id {shown(entry["id"])})' if 'id' in entry else f'{key}[{index}]'
