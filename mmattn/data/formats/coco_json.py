"""COCO JSON: one file, or one for each part, as COCO itself, Roboflow, CVAT and Label Studio arrange them.

Boxes, areas and masks keep their numbers; ``iscrowd``, ``ignore`` and ``difficult`` all make a crowd.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from mmattn.data.coco.boxes import CORNERS, check_box, check_corners
from mmattn.data.coco.images import Picture as Known
from mmattn.data.coco.values import is_id, is_number, nested
from mmattn.data.formats import json_file
from mmattn.data.formats.draft import Draft, Mask, Picture, Shape
from mmattn.data.formats.json_file import JsonError, read_json
from mmattn.data.formats.tree import Tree, part_of
from mmattn.data.report import Report
from mmattn.data.text import few, shown
from mmattn.errors import UserError

# Beside the objects COCO has these, of the same images.
_OTHER_TASKS = ('caption', 'keypoint', 'panoptic', 'stuff', 'image_info')

_LEVELS = 100


def recognise(tree: Tree) -> str | None:
    """What the format is recognised by, in a few words; None if the data set has another."""
    files = _files(tree)
    return few([tree.relative(path) for path in files], 3) if files else None


def read(tree: Tree) -> Draft:
    """Reads all files of annotations.

    Raises:
        UserError: If a file cannot be read at all, or two are of the same part.
    """
    files = _files(tree) or tree.with_suffix('.json')
    if not files:
        raise UserError(f"there is no .json file in '{tree.root}'; give the folder or the file with the annotations")
    draft = Draft(few([tree.relative(path) for path in files], 3))
    documents = {}
    for part, path in _parts(tree, files).items():
        documents[part] = path, _document(path)
    names = {part: _categories(draft, tree, path, content) for part, (path, content) in documents.items()}
    draft.classes = _classes(draft, tree, documents, names)
    for part, (path, content) in documents.items():
        _read_part(draft, tree, part, path, content, names[part])
    return draft


def _files(tree: Tree) -> list[Path]:
    files = [path for path in tree.with_suffix('.json') if json_file.kind(path) == json_file.COCO]
    objects = [path for path in files if not any(word in path.stem.lower() for word in _OTHER_TASKS)]
    return objects or files


def _parts(tree: Tree, files: list[Path]) -> dict[str, Path]:
    """The files by their parts."""
    if len(files) == 1:
        part = None if tree.only else part_of(tree.relative(files[0]))
        return {part or 'all': files[0]}
    parts: dict[str, Path] = {}
    for path in files:
        part = part_of(tree.relative(path))
        if part is None or part in parts:
            what = 'two of which are ' + part if part in parts else 'and not all their names say train, val or test'
            names = few([tree.relative(each) for each in files])
            raise UserError(
                f"'{tree.root}' has {len(files)} COCO files ({names}), {what}; give one of the "
                'files, or rename or remove the others'
            )
        parts[part] = path
    return parts


def _document(path: Path) -> dict:
    try:
        content: Any = read_json(path)
    except JsonError as error:
        raise UserError(
            f"'{path}' is no JSON ({error}); it is damaged or cut off, so export or copy it again"
        ) from error
    except OSError as error:
        raise UserError(f"cannot read '{path}' ({error})") from error
    missing = [
        key
        for key in ('images', 'annotations', 'categories')
        if not isinstance(content, dict) or not isinstance(content.get(key), list)
    ]
    if missing:
        raise UserError(
            f"'{path}' is no COCO JSON of objects: it has no list '{missing[0]}'; give a file with images, "
            'annotations and categories'
        )
    if nested({key: value for key, value in content.items() if key != 'annotations'}, _LEVELS):
        raise UserError(f"'{path}' has lists or objects that are more than {_LEVELS} deep inside each other")
    return content


def _classes(
    draft: Draft, tree: Tree, documents: dict[str, tuple[Path, dict]], categories: dict[str, dict]
) -> list[str]:
    """Names of the classes in the order of the first part's categories; ids may differ between parts."""
    classes: dict[str, None] = {}
    orders = {}
    for part, (path, content) in documents.items():
        used = Counter(
            entry.get('category_id')
            for entry in content['annotations']
            if isinstance(entry, dict) and is_id(entry.get('category_id'))
        )
        names = [
            name for identifier, name in categories[part].items() if not _is_super(content, identifier, name, used)
        ]
        orders[part] = list(dict.fromkeys(names))
        if len(orders[part]) < len(names):
            draft.doubt('categories of the same name (taken for one class)', tree.relative(path))
        if classes and set(names) != set(classes):
            draft.doubt(
                'categories that not all parts have', f'{tree.relative(path)}: {few(sorted(set(names) ^ set(classes)))}'
            )
        classes.update(dict.fromkeys(names))
    first = next(iter(orders.values()))
    for part, names in orders.items():
        if names != first and set(names) == set(first):
            draft.note(f'the categories of {part} are in another order; classes are matched by their names')
    return list(classes)


def _categories(draft: Draft, tree: Tree, path: Path, content: dict) -> dict:
    """Names of the categories by their ids."""
    names = {}
    for index, entry in enumerate(content['categories']):
        if not isinstance(entry, dict) or not is_id(entry.get('id')) or not _name(entry.get('name')):
            draft.leave_out(
                'categories without id or name (left out)', f'{tree.relative(path)}: categories[{index}] {shown(entry)}'
            )
        else:
            names[entry['id']] = _name(entry['name'])
    return names


def _name(value: object) -> str:
    """The name of a category, which may be a number; '' if it is none."""
    return str(value).strip() if is_id(value) else ''


def _is_super(content: dict, identifier: object, name: str, used: Counter) -> bool:
    """Whether a category is only the group of all others, which Roboflow puts before them."""
    others = [entry for entry in content['categories'] if isinstance(entry, dict) and entry.get('id') != identifier]
    return not used[identifier] and bool(others) and all(entry.get('supercategory') == name for entry in others)


def _read_part(draft: Draft, tree: Tree, part: str, path: Path, content: dict, names: dict) -> None:
    pictures: dict[object, Picture | None] = {}
    file = tree.relative(path)
    for index, entry in enumerate(content['images']):
        where = f'{file}: images[{index}]'
        if not isinstance(entry, dict) or not is_id(entry.get('id')) or not isinstance(entry.get('file_name'), str):
            draft.leave_out('images without id or file_name (left out)', f'{where} {shown(entry)}')
        elif entry['id'] in pictures:
            draft.leave_out('images with the id of another (left out)', f'{where}: id {shown(entry["id"])}')
        else:
            pictures[entry['id']] = _picture(draft, tree, part, path, entry)
    for index, entry in enumerate(content['annotations']):
        _read_object(draft, pictures, names, f'{file}: annotations[{index}]', entry)
    _check_corners(draft, file, content, pictures)


def _check_corners(draft: Draft, file: str, content: dict, pictures: dict) -> None:
    """Stops where boxes are [left, top, right, bottom], of which most would only be clipped."""
    known = {
        identifier: Known(picture.path.name, picture.stated, None)
        for identifier, picture in pictures.items()
        if picture is not None and picture.stated
    }
    report = Report(file)
    kept = [
        entry
        for entry in content['annotations']
        if isinstance(entry, dict)
        and is_id(entry.get('image_id'))
        and entry['image_id'] in known
        and check_box(report, entry, known[entry['image_id']], '')
    ]
    check_corners(report, kept, known)
    for kind, details in report.problems.kinds().items():
        if kind == CORNERS:
            draft.findings.add(kind, f'{file}: {details[0]}')


def _picture(draft: Draft, tree: Tree, part: str, path: Path, entry: dict) -> Picture | None:
    file = tree.relative(path)
    try:
        image = tree.find_image(entry['file_name'], path.parent, part)
    except LookupError as error:
        draft.lose_image('images missing (left out)', f'{file}: {error}')
        return None
    size: Any = entry.get('width'), entry.get('height')
    stated = size if all(map(is_number, size)) else None
    return draft.add(part, Picture(image, f'{file} ({image.name})', stated=stated))


def _read_object(draft: Draft, pictures: dict, names: dict, where: str, entry: object) -> None:
    if not isinstance(entry, dict) or not is_id(entry.get('image_id')) or not is_id(entry.get('category_id')):
        draft.lose('annotations without image_id or category_id (left out)', f'{where} {shown(entry)}')
        return
    if is_id(entry.get('id')):
        where = f'{where} (id {shown(entry["id"])})'
    if entry['image_id'] not in pictures:
        draft.lose('annotations of unknown images (left out)', f'{where}: image_id {shown(entry["image_id"])}')
        return
    if entry['category_id'] not in names:
        draft.lose(
            'annotations of unknown categories (left out)',
            f'{where}: category_id {shown(entry["category_id"])}, the file has {few(names)}',
        )
        return
    picture = pictures[entry['image_id']]
    if picture is None:
        return
    box, mask = entry.get('bbox'), _mask(entry.get('segmentation'))
    if not (isinstance(box, list) and len(box) == 4 and all(map(is_number, box))):
        if not isinstance(mask, list) or box:
            draft.lose('boxes that are not four numbers (left out)', f'{where}: {shown(box)}')
            return
        box = None
    area = entry.get('area')
    picture.shapes.append(
        Shape(
            names[entry['category_id']],
            where,
            tuple(box) if box else None,
            mask,
            crowd=any(entry.get(name) not in (None, 0, False, '', '0') for name in ('iscrowd', 'ignore', 'difficult')),
            area=area if is_number(area) and area > 0 else None,
        )
    )


def _mask(segmentation: object) -> Mask | None:
    """The mask; None if there is none, which exporters write as [], [[]] or null."""
    if isinstance(segmentation, dict):
        return segmentation or None
    if not isinstance(segmentation, list):
        return None
    polygons = segmentation
    if segmentation and all(map(is_number, segmentation)):
        polygons = [segmentation]
    usable = [
        polygon
        for polygon in polygons
        if isinstance(polygon, list) and len(polygon) >= 6 and len(polygon) % 2 == 0 and all(map(is_number, polygon))
    ]
    return usable or None
