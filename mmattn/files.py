"""Files that appear only when they are complete: text of any kind, JSON, CSV."""

import csv
import io
import json
import math
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

# What spreadsheets take for the beginning of a formula (OWASP, CSV injection).
FORMULA = ('=', '+', '-', '@', '\t', '\r')


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to, which is renamed to `path` at the end.

    It keeps the suffix, from which many writers tell the format. After an exception nothing is left of it, and `path`
    is as it was. A link stays one: the file that it names is replaced. What is there and no file (a pipe, a device such
    as /dev/stdout) is itself the path to write to.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        yield path
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not made of the name, which may be as long as names can be.
    temporary = path.with_name(f'.{uuid.uuid4().hex}{path.suffix}')
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is not None and error.filename in (None, str(temporary)):  # which is known to nobody
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_text(text: str, path: str | Path) -> None:
    """Writes text in UTF-8 atomically; half of a surrogate pair, which UTF-8 lacks, is written as ``\\udXXX``."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode('utf-8', 'backslashreplace'))


def write_json(content: object, path: str | Path) -> None:
    """Writes JSON atomically, see `plain`."""
    write_text(json.dumps(plain(content), indent=2) + '\n', path)


def plain(value: object) -> object:
    """The same of what JSON has, in full precision, at any depth.

    Arrays, tensors and their numbers become lists and numbers, NaN and infinity null, keys text, and whatever JSON has
    nothing for its text.
    """
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):  # numpy's 64 bit numbers, too
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode('utf-8', 'backslashreplace')
    if hasattr(value, 'tolist'):
        listed = value.tolist()
        return plain(listed) if type(listed) is not type(value) else str(value)
    return str(value)


def unique_names(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Names for files, of which no two are alike, by a number behind those that come again.

    Args:
        names: Names as wished for, in order; two that differ in small and large letters only count as alike, as they
            do to some file systems.
        taken: Names that none may get.
    """
    used, found = {name.lower() for name in taken}, []
    for name in names:
        number, unique = 2, name
        while unique.lower() in used:
            unique, number = f'{name}-{number}', number + 1
        used.add(unique.lower())
        found.append(unique)
    return found


def csv_text(rows: Iterable[Sequence]) -> str:
    """Rows as CSV, of which spreadsheets take no text for a formula.

    Args:
        rows: Rows of texts, numbers and None; a text that looks like a formula gets an apostrophe before it.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    text = str(value)
    if isinstance(value, (int, float)) or not text.startswith(FORMULA) or _is_number(text):
        return value
    return f"'{text}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
