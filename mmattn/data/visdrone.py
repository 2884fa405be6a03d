"""VisDrone-DET annotations as COCO JSON.

Each line of ``annotations/NAME.txt`` belongs to ``images/NAME.jpg`` and reads ``left, top, width,
height, score, category, truncation, occlusion``: pixels; 1 for boxes that count in the evaluation
and 0 for those that do not; 0 ignored region, 1 to 10 the classes, 11 others; 0 or 1; 0 to 2. A
comma may end the line. Categories 1 to 10 keep their numbers as ids.

How the official evaluation (VisDrone2018-DET-toolkit: ``dropObjectsInIgr.m``, ``calcAccuracy.m``)
is carried over to COCO's:

- **Ignored regions become crowds of all ten classes**, one copy for each. The toolkit drops every
  detection of which half or more lies in an ignored region, whatever its class. COCO evaluates
  class by class, a crowd excuses only detections of its own class, and an annotation has exactly
  one class: in one class only, or in an eleventh, the region would leave the detections of the
  other classes in it to count as errors. COCO excuses a detection if its part inside the crowd
  reaches the IoU threshold, so AP50 follows the toolkit, and the higher thresholds are stricter.
- **Objects of which half or more lies in ignored regions become crowds** (``covered: 1``): the
  toolkit drops them too.
- **Objects with score 0 become crowds** of their class: they need not be found.
- **Others (11) are left out.** The toolkit evaluates classes 1 to 10 only and excuses no detection
  on others. The summary counts them.

Crowds are ignored boxes for mmdet: training does not learn them as objects. ``truncation`` and
``occlusion`` stay with each annotation; ``ignored_region: 1`` marks copies of a region.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmattn.data.findings import Findings
from mmattn.data.images import EXTENSIONS, read_sizes
from mmattn.errors import UserError
from mmattn.files import atomic_path

CLASSES = ('pedestrian', 'people', 'bicycle', 'car', 'van', 'truck', 'tricycle', 'awning-tricycle', 'bus', 'motor')
IGNORED_REGION, OTHERS = 0, 11

# A share of its area inside ignored regions from which on the toolkit drops an object.
COVERED = 0.5

MISSING_KINDS = (
    'images without annotations (left out)',
    'annotations without an image (left out)',
    'images that cannot be read (left out)',
)

_FIELDS = ('left', 'top', 'width', 'height', 'score', 'category', 'truncation', 'occlusion')
_RANGES = {'score': range(2), 'category': range(12), 'truncation': range(2), 'occlusion': range(3)}

# Of a line of the video tasks (VisDrone-VID, -MOT): the same with the frame and the number of the object before it.
VIDEO_FIELDS = 10


class Box(NamedTuple):
    """A line of an annotation file; positions and lengths in pixels."""

    left: float
    top: float
    width: float
    height: float
    score: int
    category: int
    truncation: int
    occlusion: int


@dataclass
class Split:
    """A converted split: the COCO content, what became of the boxes, and what was wrong."""

    name: str
    folder: Path
    content: dict
    counts: Counter = field(default_factory=Counter)
    findings: Findings = field(default_factory=Findings)

    def incomplete(self) -> bool:
        """Whether images or whole annotation files had to be left out."""
        return any(map(self.findings.count, MISSING_KINDS))

    def lines(self, path: Path, limit: int | None) -> Iterator[str]:
        """The report, a line at a time.

        Args:
            path: Path of the JSON file that was written.
            limit: Greatest number of problems of each kind to list; None: all.
        """
        yield f'{self.name}: {path}'
        yield f'  {len(self.content["images"])} images, {len(self.content["annotations"])} annotations'
        yield '  objects: ' + ', '.join(f'{name} {self.counts[name]}' for name in CLASSES)
        yield (
            f'  crowds: {self.counts["ignored regions"]} ignored regions (each for {len(CLASSES)} classes), '
            f'{self.counts["covered"]} objects in ignored regions, {self.counts["score 0"]} objects with score 0'
        )
        yield f'  left out: {self.counts["others"]} others'
        yield from (f'  {line}' for line in self.findings.lines(limit))
        yield f"  in a config: ann_file='{path}', data_prefix=dict(img='{self.folder / 'images'}/')"


def find_splits(source: Path) -> dict[str, Path]:
    """The split folders (those with images/ and annotations/) by the names of their splits.

    Args:
        source: Path of a split folder, or of a folder of them. ``VisDrone2019-DET-train`` and ``train`` are
            both the split train.

    Raises:
        UserError: If there are none, or two of the same name.
    """
    if not source.is_dir():
        raise UserError(f"no folder '{source}'; give the folder that the VisDrone archives were unpacked in")
    if _is_split(source):
        return {_split_name(source.resolve()): source}
    splits: dict[str, Path] = {}
    for folder in sorted(filter(_is_split, source.iterdir())):
        name = _split_name(folder)
        if name in splits:
            raise UserError(
                f"'{splits[name]}' and '{folder}' are both the split {name}; convert "
                'one at a time: give the split folder itself'
            )
        splits[name] = folder
    if not splits and any((folder / 'sequences').is_dir() for folder in (source, *source.iterdir())):
        raise UserError(
            f"'{source}' is of a video task (VisDrone-VID or -MOT, sequences/ instead of images/); give a "
            'split of VisDrone-DET'
        )
    if not splits:
        raise UserError(
            f"'{source}' is no VisDrone split (a folder with images/ and annotations/) "
            'and holds none; give the folder that the archives were unpacked in'
        )
    return splits


def without_annotations(source: Path) -> list[Path]:
    """Folders that have images/ but no annotations/, as test-challenge does."""
    return [
        folder
        for folder in sorted(source.iterdir())
        if (folder / 'images').is_dir() and not (folder / 'annotations').is_dir()
    ]


def _is_split(folder: Path) -> bool:
    return (folder / 'images').is_dir() and (folder / 'annotations').is_dir()


def _split_name(folder: Path) -> str:
    return folder.name.rpartition('DET-')[2].replace('_', '-')


def parse_line(line: str) -> Box:
    """Reads one line of an annotation file.

    Raises:
        ValueError: If it is damaged; the message says how.
    """
    fields = line.strip().removesuffix(',').split(',')
    if len(fields) != len(_FIELDS):
        raise ValueError(f'{len(fields)} fields instead of {len(_FIELDS)}')
    values: dict[str, Any] = {}
    for name, text in zip(_FIELDS, fields, strict=True):
        try:
            values[name] = _number(text)
        except (ValueError, OverflowError):
            raise ValueError(f"{name} is no number: '{text.strip()}'") from None
        if name in _RANGES and values[name] not in _RANGES[name]:
            raise ValueError(f'{name} is {text.strip()}, but may be 0 to {_RANGES[name][-1]}')
    if values['width'] <= 0 or values['height'] <= 0:
        raise ValueError(f'the box is empty ({values["width"]} x {values["height"]})')
    return Box(**values)


def _check_task(path: Path, lines: list[str]) -> None:
    """Raises UserError if the lines of a file are those of the video tasks."""
    counts = {len(line.strip().removesuffix(',').split(',')) for line in lines if line.strip()}
    if counts == {VIDEO_FIELDS}:
        raise UserError(
            f"'{path}' is of a video task (VisDrone-VID or -MOT), not of VisDrone-DET: its lines have "
            f'{VIDEO_FIELDS} fields instead of {len(_FIELDS)}; give a split of VisDrone-DET'
        )


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value == int(value) else value


def convert_split(name: str, folder: Path, workers: int | None = None) -> Split:
    """Converts the annotations of one split.

    Images are numbered by name from 1, annotations in the order of images and lines from 1, so the
    same files always give the same content.

    Args:
        name: Name of the split, for the description in the JSON file.
        folder: Folder that holds images/ and annotations/.
        workers: Number of threads that read image sizes.
    """
    split = Split(
        name,
        folder,
        dict(
            info=dict(description=f'VisDrone-DET {name} as COCO JSON'),
            images=[],
            annotations=[],
            categories=[dict(id=i, name=each) for i, each in enumerate(CLASSES, start=1)],
        ),
    )
    for image, size, lines in _readable(split, workers):
        split.content['images'].append(
            dict(id=len(split.content['images']) + 1, file_name=image.name, width=size[0], height=size[1])
        )
        boxes = _read_boxes(split, lines, size)
        _add_annotations(split, boxes, size)
    return split


def _readable(split: Split, workers: int | None) -> Iterator[tuple[Path, tuple[int, int], Path]]:
    """Images that can be read and have annotations, their sizes, and their annotation files."""
    images = [path for path in sorted((split.folder / 'images').iterdir()) if path.suffix.lower() in EXTENSIONS]
    texts = {path.stem: path for path in sorted((split.folder / 'annotations').glob('*.txt'))}
    alone, orphans, unread = MISSING_KINDS
    for stem in sorted(set(texts) - {path.stem for path in images}):
        split.findings.add(orphans, str(texts[stem]))
    pairs = []
    for image in images:
        if image.stem in texts:
            pairs.append((image, texts[image.stem]))
        else:
            split.findings.add(alone, str(image))
    sizes = read_sizes([image for image, _ in pairs], f'{split.name}: image sizes', workers)
    for (image, text), size in zip(pairs, sizes, strict=True):
        if isinstance(size, OSError):
            split.findings.add(unread, f'{image}: {size}')
        else:
            yield image, size, text


def _read_boxes(split: Split, path: Path, size: tuple[int, int]) -> list[Box]:
    """The boxes of a file, clipped to the image; reports lines that are damaged or clipped."""
    boxes = []
    lines = path.read_text('utf-8-sig', errors='replace').splitlines()
    _check_task(path, lines)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f'{path}:{number}'
        try:
            box = parse_line(line)
        except ValueError as error:
            split.findings.add('damaged lines (left out)', f'{where}: {error}')
            continue
        clipped = _clip(box, size)
        position = f'{list(box[:4])}, image {size[0]} x {size[1]}'
        if clipped is None:
            split.findings.add('boxes outside the image (left out)', f'{where}: {position}')
            continue
        if clipped != box:
            split.findings.add('boxes clipped to the image', f'{where}: {position}')
        boxes.append(clipped)
    return boxes


def _clip(box: Box, size: tuple[int, int]) -> Box | None:
    left, top = max(box.left, 0), max(box.top, 0)
    width = min(box.left + box.width, size[0]) - left
    height = min(box.top + box.height, size[1]) - top
    if width <= 0 or height <= 0:
        return None
    return box._replace(left=left, top=top, width=width, height=height)


def _add_annotations(split: Split, boxes: list[Box], size: tuple[int, int]) -> None:
    covered_share = _coverage([box for box in boxes if box.category == IGNORED_REGION], size)
    for box in boxes:
        if box.category == IGNORED_REGION:
            split.counts['ignored regions'] += 1
            for category in range(1, len(CLASSES) + 1):
                _add(split, box, category, iscrowd=1, ignored_region=1)
        elif box.category == OTHERS:
            split.counts['others'] += 1
        elif box.score == 0:
            split.counts['score 0'] += 1
            _add(split, box, box.category, iscrowd=1)
        elif covered_share(box) >= COVERED:
            split.counts['covered'] += 1
            _add(split, box, box.category, iscrowd=1, covered=1)
        else:
            split.counts[CLASSES[box.category - 1]] += 1
            _add(split, box, box.category, iscrowd=0)


def _coverage(regions: list[Box], size: tuple[int, int]) -> Callable[[Box], float]:
    """A function that says which share of a box lies in the union of the regions."""
    if not regions:
        return lambda box: 0.0
    inside = np.zeros((size[1], size[0]), dtype=bool)
    for region in regions:
        inside[_pixels(region)] = True
    return lambda box: inside[_pixels(box)].mean()


def _pixels(box: Box) -> tuple[slice, slice]:
    return (
        slice(int(box.top), int(np.ceil(box.top + box.height))),
        slice(int(box.left), int(np.ceil(box.left + box.width))),
    )


def _add(split: Split, box: Box, category: int, **marks: int) -> None:
    annotations = split.content['annotations']
    annotations.append(
        dict(
            id=len(annotations) + 1,
            image_id=split.content['images'][-1]['id'],
            category_id=category,
            bbox=list(box[:4]),
            area=box.width * box.height,
            truncation=box.truncation,
            occlusion=box.occlusion,
            **marks,
        )
    )


def write(split: Split, folder: Path) -> Path:
    """Writes the split to ``instances_NAME.json`` in the folder, in one step; returns the path.

    Raises:
        UserError: If not one image or object of the split could be converted, or the file not be written.
    """
    if not split.content['images']:
        raise UserError(
            f"no image in '{split.folder / 'images'}' has annotations in "
            f"'{split.folder / 'annotations'}' (NAME.jpg and NAME.txt); unpack the "
            'archive of this split again'
        )
    if not split.content['annotations']:
        found = [line.strip() for line in split.findings.lines(1)][:2]
        raise UserError(
            f"no object in '{split.folder / 'annotations'}' could be converted"
            f'{" (" + ", ".join(found) + ")" if found else ", whose files are empty"}; give a split of '
            'VisDrone-DET, or unpack it again'
        )
    path = folder / f'instances_{split.name}.json'
    try:
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(split.content), 'utf-8')
    except OSError as error:
        raise UserError(f"cannot write '{path}' ({error.strerror}); name another folder") from error
    return path
