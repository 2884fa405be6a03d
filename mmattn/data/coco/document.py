"""Reads the JSON file of a dataset in COCO's format, whatever is in it."""

import json
from pathlib import Path

from mmattn.data.coco.values import nested
from mmattn.data.readable import check_readable
from mmattn.data.report import Report

LISTS = ('images', 'categories', 'annotations')

UNREADABLE = 'annotations that cannot be read'

# pycocotools copies, and mmdet pickles, these recursively.
_LEVELS = 100


def read_document(report: Report, ann_file: Path) -> dict | None:
    """The content of the file; problems of the whole file are added to the report.

    Args:
        report: Report that problems are added to.
        ann_file: Path of the JSON file.

    Returns:
        Its top level, in which each of ``images``, ``categories`` and ``annotations`` is a list; None if there is
        nothing to look at.
    """
    try:
        check_readable(ann_file)
        # As pycocotools reads it, which takes no mark of byte order.
        content = json.loads(ann_file.read_bytes().decode('utf-8'))
    except FileNotFoundError:
        report.problems.add('annotation files missing', str(ann_file))
        return None
    except RecursionError:
        report.problems.add(UNREADABLE, f'{ann_file}: lists or objects are too deep inside each other')
        return None
    except MemoryError:
        report.problems.add(UNREADABLE, f'{ann_file}: it does not fit into the memory')
        return None
    except (OSError, ValueError) as error:
        report.problems.add(UNREADABLE, f'{ann_file}: {_reason(error)}')
        return None
    if not isinstance(content, dict):
        report.problems.add(UNREADABLE, f'{ann_file}: not an object with {", ".join(LISTS)}')
        return None
    for key in LISTS:
        _check_list(report, content, key, ann_file)
    if nested({key: value for key, value in content.items() if key != 'annotations'}, _LEVELS):
        report.problems.add(UNREADABLE, f'{ann_file}: lists or objects are more than {_LEVELS} deep inside each other')
    return content


def _check_list(report: Report, content: dict, key: str, ann_file: Path) -> None:
    """Puts an empty list where there is none."""
    if not isinstance(content.get(key), list):
        # Test sets without ground truth have no annotations at all, but what is there is read.
        report.problems.add(
            'annotations missing' if key == 'annotations' and key not in content else UNREADABLE,
            f"{ann_file}: it has no list '{key}'",
            doubtful=key == 'annotations' and key not in content,
        )
        content[key] = []
    elif not content[key] and key != 'annotations':
        report.problems.add(f'{key} missing', f'not one in {ann_file}')


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f'not UTF-8 (byte {error.start}); save it as UTF-8'
    if 'BOM' in str(error):
        return 'it begins with a mark of byte order (BOM); save it as UTF-8 without one'
    return str(error)
