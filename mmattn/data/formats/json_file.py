"""JSON files of strangers: what kind of annotations they hold, and their content."""

import json
import re
from pathlib import Path

from mmattn.data.formats.text_files import decoded, read_text
from mmattn.data.readable import check_readable
from mmattn.errors import one_line

COCO, LABELME = 'coco', 'labelme'

# Bytes at each end of a file that are searched for the names of its top level.
_SEARCHED = 1 << 16

_COCO_KEYS = ('images', 'annotations', 'categories')


class JsonError(ValueError):
    """A file that is no JSON; the message says line and reason."""


def read_json(path: Path) -> object:
    """The content of a file.

    Args:
        path: Path of the file.

    Raises:
        OSError: If it cannot be read.
        JsonError: If it is no JSON.
    """
    text = read_text(path)
    if not text.strip():
        raise JsonError('the file is empty')
    try:
        return json.loads(text)
    except RecursionError:
        raise JsonError('lists or objects are too deep inside each other') from None
    except json.JSONDecodeError as error:
        raise JsonError(f'line {error.lineno}, column {error.colno}: {error.msg}') from None
    except ValueError as error:
        raise JsonError(one_line(error)) from None


def kind(path: Path) -> str | None:
    """What a file holds, by the names near its ends: 'coco', 'labelme', or None."""
    try:
        check_readable(path)
        with path.open('rb') as file:
            content = file.read(_SEARCHED)
            size = file.seek(0, 2)
            file.seek(max(_SEARCHED, size - _SEARCHED))
            text = decoded(content) + decoded(file.read())
    except OSError:
        return None
    names = set(re.findall(r'"(images|annotations|categories|shapes|imagePath|imageHeight)"\s*:', text))
    if 'shapes' in names and not names.issuperset(('images', 'categories')):
        return LABELME
    if len(names.intersection(_COCO_KEYS)) >= 2:
        return COCO
    return _whole(path) if size > 2 * _SEARCHED and names.intersection(_COCO_KEYS) else None


def _whole(path: Path) -> str | None:
    """A large file may have its names in the middle."""
    try:
        content = read_json(path)
    except (OSError, JsonError):
        return None
    return COCO if isinstance(content, dict) and len(content.keys() & set(_COCO_KEYS)) >= 2 else None
