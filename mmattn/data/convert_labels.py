"""Conversion of a data set's polygons, masks or colour-coded pictures to label pictures, and what to say of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmattn.data.formats.source import Source, read_source
from mmattn.data.report import Report
from mmattn.data.write_labels import CLASSES, LABELS, Written, semantic_classes, write_labels
from mmattn.errors import UserError

# Classes that are named in the settings of a config; of more the file is.
_NAMED = 12


@dataclass(frozen=True)
class Conversion:
    """Label pictures that were made.

    Args:
        source: The data set that they were made of.
        folder: Folder that they were written into.
        written: What was written.
    """

    source: Source
    folder: Path
    written: Written

    @property
    def incomplete(self) -> bool:
        """Whether images or objects had to be left out."""
        return bool(self.source.findings.kinds(left_out=True))

    def lines(self, limit: int | None) -> Iterator[str]:
        """What was made, what was left out, and the settings of a config that reads it; a line at a time.

        Args:
            limit: The most problems of a kind, and half of the classes, that are listed.
        """
        yield from Report(
            self.source.describe(), problems=self.source.findings, notes=self.source.notes, checked=False
        ).lines(limit)
        for part, balance in self.written.balance.items():
            yield from Report(
                f'{part}: {self.folder / LABELS}', notes=balance.notes(), table=balance.table(), checked=False
            ).lines(limit)
        yield 'settings of its data sets in a config of mmsegmentation:'
        yield from (f'  {line}' for line in self._settings())

    def _settings(self) -> Iterator[str]:
        written = self.written
        folder = os.path.abspath(self.folder)
        named = len(written.classes) <= _NAMED
        classes = repr(written.classes) if named else repr(os.path.join(folder, CLASSES))
        yield f"type='BaseSegDataset', data_root={folder!r}, img_suffix={written.suffix!r},"
        yield f"data_prefix=dict(img_path={os.path.abspath(written.root)!r}, seg_map_path='{LABELS}'),"
        palette = f', palette={[list(colour) for colour in written.palette]!r}' if named else ''
        yield f'metainfo=dict(classes={classes}{palette}),'
        yield f'ann_file={" or ".join(repr(f"{part}.txt") for part in written.balance)}'


def make_labels(path: Path, folder: Path, format: str | None = None, workers: int | None = None) -> Conversion:
    """Reads a data set and writes label pictures of it.

    Args:
        path: Path of the data set: a folder, or a file with the annotations.
        folder: Folder of the label pictures, which has none yet.
        format: Format of the data set; None: it is recognised.
        workers: Number of threads; None: one for each CPU.

    Raises:
        UserError: The data set cannot be read, has nothing to make label pictures of, or the folder has some.
    """
    place = folder / LABELS
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise UserError(f"'{place}' is there already; name another folder, or remove it")
    source = read_source(path, format)
    semantic_classes(source)
    try:
        return Conversion(source, folder, write_labels(source, source.parts, folder, workers))
    except OSError as error:
        raise UserError(f"cannot write into '{folder}' ({error}); name another folder") from error
