"""Checks a data set that is given by its folder, or by a file that describes it, in any of the known formats."""

import os
from collections.abc import Iterator
from pathlib import Path

from mmattn.data.check_folders import check_folders
from mmattn.data.coco.balance import add_balance
from mmattn.data.decode import decode_images
from mmattn.data.formats import json_file
from mmattn.data.formats.class_folders import part_folders
from mmattn.data.formats.source import Source, gather, recognise
from mmattn.data.formats.tree import open_tree
from mmattn.data.formats.yolo_config import find_config
from mmattn.data.label_pictures.balance import Balance
from mmattn.data.label_pictures.from_objects import IGNORED
from mmattn.data.report import Report
from mmattn.errors import UserError

# Files that describe a data set; those of configs and of COCO are looked into.
_SUFFIXES = ('.csv', '.tsv', '.data')


def is_source(path: Path) -> bool:
    """Whether a path is a folder, or a file that describes a data set and is no config and no COCO JSON."""
    if os.path.isdir(path) or not os.path.isfile(path):  # Path's own raise for names that are too long
        return os.path.isdir(path)
    if path.suffix.lower() in ('.yaml', '.yml'):
        try:
            return find_config(open_tree(path)) is not None
        except UserError:
            return False
    return path.suffix.lower() in _SUFFIXES or (
        path.suffix.lower() == '.json' and json_file.kind(path) == json_file.LABELME
    )


def check_source(path: Path, format: str | None = None, workers: int | None = None) -> Iterator[Report]:
    """Looks through a data set.

    Args:
        path: Path of the folder or file.
        format: Its format; None: it is recognised.
        workers: Number of threads that read images; None: one for each CPU.

    Yields:
        A report on the annotations, with what would be left out, and one for each part; for folders of classes one for
        each part alone.

    Raises:
        UserError: If the format is none that is known.
    """
    tree = open_tree(path)
    format = format or recognise(tree, path)
    if format == 'folders':
        for folder in part_folders(tree).values():
            report = Report(str(folder))
            check_folders(report, folder, workers=workers)
            yield report
        return
    source = gather(path, format, workers)
    report = Report(f'{path}: {source.describe()}', problems=source.findings, notes=source.notes)
    try:
        source.refuse()
    except UserError as error:
        report.problems.add('no training would start', str(error))
    yield report
    for name in source.parts:
        yield _part(source, name, workers)


def _part(source: Source, name: str, workers: int | None) -> Report:
    part = source.parts[name]
    report = Report(f'{source.path}: {name}', clean='no further problems' if source.findings.total() else 'no problems')
    if source.task == 'semantic':
        balance = Balance(source.classes)
        for image in part.images:
            balance.add(image['pixels'], IGNORED)
        report.notes, report.table = balance.notes(), balance.table()
        for name in balance.absent():
            report.problems.add('classes that never occur', repr(name), doubtful=True)
    else:
        add_balance(report, len(part.images), part.annotations, dict(enumerate(source.classes, start=1)))
    decode_images(report, [part.root / image['file_name'] for image in part.images], workers)
    return report
