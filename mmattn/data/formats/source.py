"""Data sets as people have them on disk: recognised by their files, read, and brought into COCO's form.

Each format is a module with two functions: ``recognise(tree)``, which says in a few words by what it knows its format,
or None, and ``read(tree)``, which reads the annotations into a draft. What all formats have in common (image sizes,
EXIF orientation, boxes that stick out, numbers of the classes) is done once, in ``assemble``.

supervision 0.31.2 reads YOLO, Pascal VOC and COCO, too, and is not used, because of what it did with the odd data sets
of the tests: it drops VOC's ``difficult``; one damaged line or file ends the reading of the whole set, without the line
(YOLO, VOC) or the file (VOC); numbers become 32 bit floats and polygons bitmaps; and boxes in pixels that a YOLO file
must not have are multiplied by the image's size in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from mmattn.data.findings import Findings
from mmattn.data.formats import class_folders, coco_json, csv_boxes, label_pictures, labelme, others, voc, yolo
from mmattn.data.formats.assemble import assemble
from mmattn.data.formats.draft import Draft
from mmattn.data.formats.part import Part
from mmattn.data.formats.tree import Tree, open_tree
from mmattn.data.label_pictures.coding import Coding
from mmattn.errors import UserError, one_line

PARTS = dict(train='to train', val='to validate', test='to test')


class Format(NamedTuple):
    """A format: its title, what its files are called, and its functions."""

    title: str
    looks: str
    recognise: Callable[[Tree], str | None]
    read: Callable[[Tree], Draft]


FORMATS = {
    'coco': Format('COCO JSON', '.json', coco_json.recognise, coco_json.read),
    'yolo': Format('YOLO', 'data.yaml, .txt', yolo.recognise, yolo.read),
    'voc': Format('Pascal VOC', '.xml', voc.recognise, voc.read),
    'labelme': Format('LabelMe', '.json', labelme.recognise, labelme.read),
    'csv': Format('CSV of boxes', '.csv', csv_boxes.recognise, csv_boxes.read),
    'labels': Format('label pictures', 'labels/', label_pictures.recognise, label_pictures.read),
    'folders': Format('folders of classes', '', class_folders.recognise, class_folders.read),
}


@dataclass
class Source:
    """A data set that was read.

    Args:
        format: Its format, a value of ``--format``.
        path: Path that it was read from.
        classes: Names of the classes, in the order of their labels.
        task: What the annotations permit: 'boxes', 'masks', 'classes' or 'semantic'.
        parts: The parts that it has itself, of 'train', 'val' and 'test'; else all of it as 'all'.
        findings: What was left out, what is doubtful, what stops a training.
        evidence: What the format was recognised by.
        notes: Remarks, a sentence each.
        lost: Number of objects that were left out because they are damaged.
        lost_images: Number of annotated images that were left out because they are missing or damaged.
        coding: What the values of its label pictures mean, where it has such.
    """

    format: str
    path: Path
    classes: tuple[str, ...]
    task: str
    parts: dict[str, Part]
    findings: Findings
    evidence: str = ''
    notes: list[str] = field(default_factory=list)
    lost: int = 0
    lost_images: int = 0
    coding: Coding | None = None

    def describe(self) -> str:
        """What the data set was taken for and how much of it there is, in one line."""
        images = sum(len(part.images) for part in self.parts.values())
        words = [f'{len(part.images)} {PARTS[name]}' for name, part in self.parts.items() if name in PARTS]
        plural = 'image' if images == 1 else 'images'
        words = [words[0].replace(' ', f' {plural} ', 1), *words[1:]] if words else [f'{images} {plural}']
        words += [f'{len(self.classes)} class{"es" if len(self.classes) != 1 else ""}']
        words += {'classes': [], 'semantic': ['a class for each pixel']}.get(self.task, [self.task])
        return f'{FORMATS[self.format].title} ({self.evidence}): {", ".join(words)}'

    def refuse(self) -> None:
        """Raises UserError if no training should start with this data set: the sentence names what is wrong with it."""
        images = sum(len(part.images) for part in self.parts.values())
        objects = sum(len(part.annotations) for part in self.parts.values())
        stops = self.findings.kinds()
        if stops:
            raise UserError(f"cannot read '{self.path}' as {FORMATS[self.format].title}: {_first(stops)}")
        found = _first(self.findings.kinds(left_out=True))
        found = f': {found}' if found else ''
        if not images:
            raise UserError(
                f"not one image of '{self.path}' ({FORMATS[self.format].title}) can be used{found}"
                f'{_other_format(self.format) if not found else ""}'
            )
        if self.task not in ('classes', 'semantic') and not objects:
            raise UserError(
                f"not one object in '{self.path}' ({FORMATS[self.format].title}) can be read"
                f'{found or "; the annotations are empty"}{"" if found else _other_format(self.format)}'
            )
        if self.lost_images > images:
            raise UserError(
                f"{self.lost_images} of {self.lost_images + images} images of '{self.path}' "
                f'({FORMATS[self.format].title}) are missing or damaged{found}; put them there, or take '
                'them out of the annotations'
            )
        if self.lost > objects:
            raise UserError(
                f"{self.lost} of {self.lost + objects} objects in '{self.path}' "
                f'({FORMATS[self.format].title}) are damaged{found}'
            )


def read_source(path: str | Path, format: str | None = None) -> Source:
    """Recognises and reads a data set; nothing is written.

    Args:
        path: Path of a folder, or of the file that describes the data set.
        format: Its format, a key of ``FORMATS``; None: it is recognised.

    Raises:
        UserError: If it is none that is known, or may be several, or is too damaged to train with; the message says in
            one sentence what is wrong and what to do.
    """
    source = gather(path, format)
    source.refuse()
    return source


def gather(path: str | Path, format: str | None = None, workers: int | None = None) -> Source:
    """Reads a data set as `read_source` does, however damaged it is, for a list of all that is wrong with it.

    Args:
        path: Path of a folder, or of the file that describes the data set.
        format: Its format, a key of ``FORMATS``; None: it is recognised.
        workers: Number of threads that read image sizes; None: one for each CPU.

    Raises:
        UserError: If it is none that is known, or may be several, or its main file cannot be read.
    """
    path = Path(path).expanduser()
    if format is not None and format not in FORMATS:
        raise UserError(f"no format '{format}'; give --format one of {', '.join(FORMATS)}")
    try:
        return _gathered(path, format, workers)
    except OSError as error:
        raise UserError(f"'{path}' cannot be read ({one_line(error)}); see whether all its files can be") from error


def _gathered(path: Path, format: str | None, workers: int | None) -> Source:
    tree = open_tree(path)
    named = format is not None
    format = format or recognise(tree, path)
    draft = FORMATS[format].read(tree)
    if not named and format != 'csv' and (beside := csv_boxes.recognise(tree)):
        draft.note(f'there are boxes in {beside}, too, which are not read; --format csv reads them instead')
    if not named and format != 'labels' and (beside := label_pictures.recognise(tree)):
        draft.note(f'there are label pictures ({beside}), too, which are not read; --format labels reads them instead')
    classes, task, parts = assemble(draft, tree, workers)
    return Source(
        format,
        path,
        classes,
        task,
        parts,
        draft.findings,
        draft.evidence,
        draft.notes,
        draft.lost,
        draft.lost_images,
        draft.coding,
    )


def recognise(tree: Tree, path: Path) -> str:
    """The key of the one format that a data set has.

    Args:
        tree: Its files.
        path: Path that the user gave.

    Raises:
        UserError: If it has none that is known, or several.
    """
    found: dict[str, str] = {}
    for name, each in FORMATS.items():
        # A table and label pictures are often made of the other annotations, and class folders have no file of their
        # own to be known by.
        if name in ('csv', 'labels', 'folders') and found:
            break
        evidence = each.recognise(tree)
        if evidence:
            found[name] = evidence
    if len(found) == 1:
        return next(iter(found))
    if found:
        names = ' and '.join(f'{FORMATS[name].title} ({evidence})' for name, evidence in found.items())
        raise UserError(f"'{path}' has {names}; say which to read: --format {_or(found)}")
    advice = others.advice(tree) or label_pictures.advice(tree)
    if advice:
        raise UserError(f"'{path}' {advice}")
    if not tree.images:
        raise UserError(
            f"there is no image in '{path}' ({len(tree.files)} other files); give the folder of a data set "
            'with its images'
        )
    looks = ', '.join(f'{each.title} ({each.looks})' if each.looks else each.title for each in FORMATS.values())
    count = f'{len(tree.images)} image{"s" if len(tree.images) > 1 else ""}'
    raise UserError(
        f"'{path}' has {count} and no annotations that are known; looked for {looks}; put the "
        'annotations beside the images, or name their format: '
        f'--format {"|".join(FORMATS)}'
    )


def _or(names: Iterable[str]) -> str:
    return ' or --format '.join(names)


def _other_format(format: str) -> str:
    return f'; if it has another format, name it: --format {"|".join(name for name in FORMATS if name != format)}'


def _first(kinds: dict[str, list[str]], most: int = 3) -> str:
    """The first of the problems, for a sentence."""
    words = [
        f'{kind.removesuffix(" (left out)")}: {len(details)} ({"; ".join(details[:1])})'
        for kind, details in sorted(kinds.items(), key=lambda item: -len(item[1]))
    ]
    return ', '.join(words[:most]) + (f', and {len(words) - most} kinds more' if len(words) > most else '')
