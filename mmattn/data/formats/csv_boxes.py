"""CSV of boxes: a row for each object, with the image's path, a class and a box.

Columns are found by their usual names; without a header rows are taken for keras-retinanet's (path, x1, y1, x2, y2,
class), in which a row with a path alone is an image without an object. Fields are separated by commas, semicolons, tabs
or bars; where it is not the comma, numbers may have a decimal comma. Corners are edges of the box, in pixels from 0, or
in shares of the image where none is above 1.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import NamedTuple

from mmattn.data.formats.csv_columns import HEADERLESS, Columns, columns_of
from mmattn.data.formats.draft import Draft, Picture, Shape
from mmattn.data.formats.text_files import number, read_text
from mmattn.data.formats.tree import Tree, part_of
from mmattn.data.images import IMAGES
from mmattn.data.text import few, shown
from mmattn.errors import UserError

_SUFFIXES = ('.csv', '.tsv')
_DELIMITERS = (';', '\t', '|', ',')

# The name of the class where there is no column for it.
_ONLY_CLASS = 'object'


class Row(NamedTuple):
    """A row of a table: its line, the image's path, and the fields."""

    line: int
    image: str
    fields: list[str]


class Table(NamedTuple):
    """A CSV file: its columns, delimiter and rows."""

    path: Path
    columns: Columns
    delimiter: str
    rows: list[Row]


def recognise(tree: Tree) -> str | None:
    """What the format is recognised by, in a few words; None if the data set has another."""
    tables = _tables(tree)
    return few([tree.relative(table.path) for table in tables], 3) if tables else None


def read(tree: Tree) -> Draft:
    """Reads all tables of boxes.

    Raises:
        UserError: If there are none, or several of one part.
    """
    tables = _tables(tree)
    if not tables:
        files = tree.with_suffix(*_SUFFIXES)
        if not files:
            raise UserError(f"there is no .csv file in '{tree.root}'; give the folder or the file with the boxes")
        raise UserError(
            f"'{files[0]}' has no columns for an image and a box; name them filename, xmin, ymin, xmax, "
            'ymax and class in the first line'
        )
    draft = Draft(few([tree.relative(table.path) for table in tables], 3))
    parts: dict[str, Table] = {}
    for table in tables:
        part = part_of(table.path.stem) or tree.part(table.path.parent) or 'all'
        if part in parts and table.columns.part is None:
            names = f"'{tree.relative(parts[part].path)}' and '{tree.relative(table.path)}'"
            raise UserError(
                f"{names} in '{tree.root}' are both boxes of the part {part}; give one of the files, or "
                'put train, val or test into their names'
            )
        parts[part] = table
    pictures: dict[tuple[str, Path], Picture] = {}
    for part, table in parts.items():
        _read_table(draft, tree, part, table, pictures)
    used = {path for _, path in pictures}
    for image in sorted(set(tree.photographs()) - used) if tree.only is None else ():
        draft.leave_out('images without a row (left out)', tree.relative(image))
    return draft


def _tables(tree: Tree) -> list[Table]:
    found = (
        _table(path)
        for path in tree.with_suffix(*_SUFFIXES)
        + ([tree.only] if tree.only and tree.only.suffix.lower() == '.txt' else [])
    )
    return [table for table in found if table is not None]


def _table(path: Path) -> Table | None:
    """The table in a file; None if it has no boxes."""
    try:
        text = read_text(path)
    except OSError:
        return None
    first = next((line for line in text.splitlines() if line.strip()), '')
    delimiter = next((each for each in _DELIMITERS if each in first), ',')
    rows = []
    reader = csv.reader(io.StringIO(text.replace('\0', '')), delimiter=delimiter)
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                rows.append((reader.line_num, [field.strip() for field in fields]))
    except csv.Error:
        return None
    if not rows:
        return None
    columns = columns_of(rows[0][1])
    if columns is not None:
        rows = rows[1:]
    elif _is_headerless(rows[0][1]):
        columns = HEADERLESS
    else:
        return None
    return Table(
        path,
        columns,
        delimiter,
        [Row(line, fields[columns.image] if len(fields) > columns.image else '', fields) for line, fields in rows],
    )


def _is_headerless(fields: list[str]) -> bool:
    if len(fields) != 6 or not fields[0].lower().endswith(IMAGES):
        return False
    return not any(fields[1:]) or all(re.fullmatch(r'-?\d+([.,]\d+)?', field) for field in fields[1:5])


def _read_table(draft: Draft, tree: Tree, part: str, table: Table, pictures: dict[tuple[str, Path], Picture]) -> None:
    file, columns = tree.relative(table.path), table.columns
    boxes: list[tuple[Row, list[float] | None]] = []
    for row in table.rows:
        where = f'{file}:{row.line}'
        try:
            boxes.append((row, _numbers(row, table)))
        except ValueError as error:
            draft.lose('rows whose box is not four numbers (left out)', f'{where}: {error}')
    largest = max((max(box) for _, box in boxes if box), default=0)
    relative = 0 < largest <= 1
    if relative:
        draft.note(f'no number in {file} is above 1, so boxes are shares of the image')
    if columns.label is None:
        draft.note(f"{file} has no column for the class, so all objects are of one class, '{_ONLY_CLASS}'")
    found: dict[tuple[str, str], Path | str] = {}
    for row, box in boxes:
        where = f'{file}:{row.line}'
        home = (part_of(_field(row, columns.part)) or part) if columns.part is not None else part
        if (home, row.image) not in found:
            try:
                found[home, row.image] = tree.find_image(row.image, table.path.parent, home if home != 'all' else None)
            except LookupError as error:
                found[home, row.image] = str(error)
                draft.lose_image('images missing (left out)', f'{where}: {error}')
        image = found[home, row.image]
        if isinstance(image, str):
            continue
        picture = pictures.get((home, image))
        if picture is None:
            picture = pictures[home, image] = draft.add(
                home, Picture(image, file, stated=_size(row, table), relative=relative)
            )
        if box is not None:
            _add(draft, picture, row, table, where, box)


def _field(row: Row, column: int | None) -> str:
    return row.fields[column] if column is not None and column < len(row.fields) else ''


def _numbers(row: Row, table: Table) -> list[float] | None:
    """The four numbers of a row; None for an image without an object.

    Raises:
        ValueError: If there are other than four.
    """
    texts = [_field(row, column) for column in table.columns.box]
    if len(texts) == 1:
        texts = re.findall(r'[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?', texts[0])
    if not any(texts):
        return None
    try:
        values = [number(text, comma=table.delimiter != ',') for text in texts]
    except ValueError:
        values = []
    if len(values) != 4:
        raise ValueError(few(texts))
    return values


def _size(row: Row, table: Table) -> tuple[float, float] | None:
    if table.columns.size is None:
        return None
    width, height = table.columns.size
    try:
        return number(_field(row, width)), number(_field(row, height))
    except ValueError:
        return None


def _add(draft: Draft, picture: Picture, row: Row, table: Table, where: str, values: list[float]) -> None:
    columns = table.columns
    label = _field(row, columns.label) if columns.label is not None else _ONLY_CLASS
    if not label:
        draft.lose('rows without a class (left out)', f'{where}: {shown(table.delimiter.join(row.fields))}')
        return
    left, top, width, height = values
    if columns.form == 'corners' and len(columns.box) == 4:
        (left, width), (top, height) = sorted((left, width)), sorted((top, height))
        if [left, top] != values[:2]:
            draft.doubt('boxes whose corners are exchanged (put in order)', f'{where}: {few(map(str, values))}')
        width, height = width - left, height - top
    elif columns.form == 'centre':
        left, top = left - width / 2, top - height / 2
    crowd = any(_field(row, column).lower() in ('1', 'true', 'yes') for column in columns.crowd)
    picture.shapes.append(Shape(label, where, (left, top, width, height), crowd=crowd))
