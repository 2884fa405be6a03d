"""Checks a dataset in COCO's format: a JSON file and a folder of images."""
import json
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from mmattn.data.report import Report, decode_images, share

# COCO's bounds of small and medium objects, in pixels of area.
SMALL, MEDIUM = 32 ** 2, 96 ** 2

# Boxes written with decimals may stick out by what rounding added; in pixels.
TOLERANCE = 0.5

# What nothing can be checked without, and what mmdet and pycocotools need besides.
_FIELDS = {
    'images': (('id', 'file_name'), ('width', 'height')),
    'categories': (('id', 'name'), ()),
    'annotations': (('image_id', 'category_id', 'bbox'), ('id', 'area', 'iscrowd')),
}


def check_coco(report: Report, ann_file: Path, image_dir: Path,
               classes: Sequence[str] | None = None, workers: int | None = None) -> None:
    """Looks through annotations and images and adds to the report.

    Args:
        report: Report that problems, notes and the class balance are added to.
        ann_file: Path of the JSON file.
        image_dir: Folder that the file names in the JSON file start from.
        classes: Class names of the config; None where there is no config.
        workers: Number of threads that decode images (default: one for each CPU).
    """
    content = _read(report, ann_file)
    if content is None:
        return
    entries = {key: _entries(report, content, key) for key in _FIELDS}
    for key in _FIELDS:
        _check_ids(report, key, entries[key])
    images = _check_images(report, entries['images'], image_dir, workers)
    names = {each['id']: str(each['name']) for each in entries['categories']}
    kept = [each for each in entries['annotations'] if _check_annotation(
        report, each, images, names)]
    _summarise(report, len(images), kept, names)
    if classes is not None:
        _check_classes(report, list(classes), names, kept)


def _read(report: Report, ann_file: Path) -> dict | None:
    kind = 'annotations that cannot be read'
    try:
        content = json.loads(ann_file.read_text('utf-8'))
    except FileNotFoundError:
        report.problems.add('annotation files missing', str(ann_file))
        return None
    except (OSError, ValueError) as error:
        report.problems.add(kind, f'{ann_file}: {error}')
        return None
    if not isinstance(content, dict):
        report.problems.add(kind, f'{ann_file}: not an object with {", ".join(_FIELDS)}')
        return None
    for key in _FIELDS:
        if not isinstance(content.get(key), list):
            report.problems.add(kind, f"{ann_file}: it has no list '{key}'")
        elif not content[key] and key != 'annotations':
            report.problems.add(f'{key} missing', f'not one in {ann_file}')
    return content


def _entries(report: Report, content: dict, key: str) -> list[dict]:
    """The entries of a list that can be checked; reports the fields that any of them lack."""
    essential, others = _FIELDS[key]
    entries = content.get(key)
    checkable = []
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if not isinstance(entry, dict):
            report.problems.add('entries that are no objects', f'{key}[{index}]')
            continue
        lacks = [name for name in (*essential, *others) if name not in entry]
        if lacks:
            report.problems.add('fields missing', f'{_name(key, index, entry)}: {", ".join(lacks)}')
        bad = [name for name in ('id', 'image_id', 'category_id')
               if name in entry and not isinstance(entry[name], (int, str))]
        if bad:
            report.problems.add('ids that are no numbers',
                                f'{_name(key, index, entry)}: {", ".join(bad)}')
        elif not set(essential) & set(lacks):
            checkable.append(entry)
    return checkable


def _name(key: str, index: int, entry: dict) -> str:
    return f'{key}[{index}] (id {entry["id"]})' if 'id' in entry else f'{key}[{index}]'


def _check_ids(report: Report, key: str, entries: list[dict]) -> None:
    ids = Counter(entry['id'] for entry in entries if 'id' in entry)
    for identifier, times in ids.items():
        if times > 1:
            report.problems.add(f'duplicated ids of {key}', f'{identifier}, {times} times')
    if key == 'annotations' and 0 in ids:
        report.problems.add('annotations with id 0', 'pycocotools takes 0 for "no match", so that '
                            'detections of this object count as wrong: number from 1')
    unique = {'images': 'file_name', 'categories': 'name'}.get(key)
    if unique:
        for value, times in Counter(str(entry[unique]) for entry in entries).items():
            if times > 1:
                report.problems.add(f'duplicated {unique}s of {key}', f'{value}, {times} times')


def _check_images(report: Report, entries: list[dict], image_dir: Path, workers: int | None
                  ) -> dict[int | str, tuple[float, float] | None]:
    """Returns for each image id the size that boxes are to be inside of, None if unknown."""
    paths = {entry['id']: image_dir / str(entry['file_name']) for entry in entries}
    decoded = decode_images(report, sorted(set(paths.values())), workers)
    sizes = {}
    for entry in entries:
        path = paths[entry['id']]
        stated = (entry.get('width'), entry.get('height'))
        usable = all(isinstance(length, (int, float)) and length > 0 for length in stated)
        actual = decoded.get(path)
        if actual and 'width' in entry and 'height' in entry and stated != actual:
            hint = (' (the EXIF orientation turns it when it is loaded)'
                    if stated == actual[::-1] else '')
            report.problems.add('image sizes that differ from the file', f'{path}: annotated as '
                                f'{stated[0]} x {stated[1]}, is {actual[0]} x {actual[1]}{hint}')
        sizes[entry['id']] = stated if usable else actual
    return sizes


def _check_annotation(report: Report, entry: dict, images: dict, names: dict) -> bool:
    """Whether the annotation can be counted for its class."""
    where = f'annotation {entry.get("id", "without id")} of image {entry["image_id"]}'
    known_image = entry['image_id'] in images
    known_category = entry['category_id'] in names
    if not known_image:
        report.problems.add('annotations of unknown images', where)
    if not known_category:
        report.problems.add('annotations of unknown categories',
                            f'{where}: category {entry["category_id"]}')
    box = entry['bbox']
    if not (isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))):
        report.problems.add('boxes that are not four numbers', f'{where}: {box}')
        return False
    if not _is_number(entry.get('area', 0)):
        report.problems.add('areas that are no numbers', f'{where}: {entry["area"]}')
        return False
    size = images.get(entry['image_id'])
    left, top, width, height = box
    if width <= 0 or height <= 0 or entry.get('area', 1) <= 0:
        report.problems.add('empty boxes', f'{where}: {box}, area {entry.get("area")}')
        return False
    if width < 1 or height < 1:
        report.problems.add('boxes thinner than a pixel (mmdet leaves them out)', f'{where}: {box}')
    if size and (min(left, top) < -TOLERANCE or left + width > size[0] + TOLERANCE
                 or top + height > size[1] + TOLERANCE):
        report.problems.add('boxes outside the image',
                            f'{where}: {box}, image {size[0]} x {size[1]}')
    return known_image and known_category


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _summarise(report: Report, images: int, annotations: list[dict], names: dict) -> None:
    crowds = [each for each in annotations if each.get('iscrowd')]
    objects = [each for each in annotations if not each.get('iscrowd')]
    empty = images - len({each['image_id'] for each in annotations})
    report.notes.append(f'classes: {len(names)}; images: {images} ({empty} without annotations); '
                        f'objects: {len(objects)}; crowds: {len(crowds)}')

    sizes, seen_in = defaultdict(Counter), defaultdict(set)
    crowded = Counter(each['category_id'] for each in crowds)
    for each in objects:
        sizes[each['category_id']][_object_size(each)] += 1
        seen_in[each['category_id']].add(each['image_id'])
    total = sum(sizes.values(), Counter())
    report.notes.append('object sizes: ' + ', '.join(
        f'{total[size]} {size} ({share(total[size], len(objects))})'
        for size in ('small', 'medium', 'large')) + "; COCO's bounds 32² and 96² pixels")
    report.table = [('class', 'objects', 'share', 'images', 'small', 'medium', 'large', 'crowds')]
    for identifier, name in names.items():
        count = sizes[identifier]
        report.table.append((
            name, count.total(), share(count.total(), len(objects)), len(seen_in[identifier]),
            count['small'], count['medium'], count['large'], crowded[identifier]))
    without = sum(1 for row in report.table[1:] if row[1] == 0)
    if without:
        report.notes.append(f'{without} of {len(names)} classes have no object')


def _object_size(annotation: dict) -> str:
    area = annotation.get('area', annotation['bbox'][2] * annotation['bbox'][3])
    return 'small' if area < SMALL else 'medium' if area < MEDIUM else 'large'


def _check_classes(report: Report, classes: list[str], names: dict, annotations: list[dict]
                   ) -> None:
    objects = Counter(names[each['category_id']] for each in annotations)
    for name in sorted(set(classes) - set(names.values())):
        report.problems.add("classes of the config that the annotations lack", name)
    for name in names.values():
        if name not in classes:
            report.problems.add("categories that are no class of the config (left out)",
                                f'{name}, {objects[name]} annotations')
    common = [name for name in names.values() if name in classes]
    if common != [name for name in classes if name in common]:
        report.problems.add('classes in another order', 'mmdet numbers classes in the order of the '
                            f'file, so results get wrong names; set classes={tuple(common)}')
