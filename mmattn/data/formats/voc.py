"""Pascal VOC: an XML file for each image, with or without ImageSets.

Corners. The VOC development kit counts pixels from 1, and a box goes from its first to its last pixel: in COCO's
form x is xmin - 1, the width xmax - xmin + 1. So does supervision; mmdet subtracts 1 from all four
numbers, after which a box is a pixel narrower and lower than what was marked. Many XML files of today are written by
tools (CVAT, Roboflow, …) whose corners are the edges of the box from 0 on; what shows that is a corner below 1 or one
that is no whole number, and then the corners of the whole data set are taken as they are.

``difficult`` objects become crowds: neither learned nor counted.
"""

from collections import Counter
from pathlib import Path

from mmattn.data.formats.draft import Draft, Picture, Shape
from mmattn.data.formats.geometry import extent
from mmattn.data.formats.text_files import number
from mmattn.data.formats.tree import Tree, key
from mmattn.data.formats.voc_lists import image_sets, lists, members
from mmattn.data.formats.xml_file import Element, XmlError, read_xml, root_name
from mmattn.data.text import few, shown
from mmattn.errors import UserError

_CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')

# Files that are looked into to recognise the format.
_SAMPLE = 20


def recognise(tree: Tree) -> str | None:
    """What the format is recognised by, in a few words; None if the data set has another."""
    files = tree.with_suffix('.xml')
    if tree.only or not any(root_name(path) == 'annotation' for path in files[:_SAMPLE]):
        return None
    return _evidence(tree, files)


def _evidence(tree: Tree, files: list[Path]) -> str:
    sets = sorted({image_sets(path) for path in lists(tree)})
    return few([*tree.homes(files), *(f'{tree.relative(path)}/' for path in sets)], 4)


def read(tree: Tree) -> Draft:
    """Reads all XML files.

    Raises:
        UserError: If there are none.
    """
    files = tree.with_suffix('.xml')
    if not files or tree.only:
        raise UserError(
            f"there is no folder of .xml files at '{tree.only or tree.root}'; give the folder that holds "
            'them and the images'
        )
    draft = Draft(_evidence(tree, files))
    parts = members(draft, tree)
    found = {path: document for path in files if (document := _document(draft, tree, path)) is not None}
    edges = _corners_are_edges(found)
    if edges:
        draft.note(f'corners are edges counted from 0 ({edges}), not pixels counted from 1')
    listed: set[tuple[str, str]] = set()
    used = set()
    passed_over = []
    for path, document in found.items():
        part = _part(tree, path, parts)
        if part is None:
            passed_over.append(path)
            continue
        listed.add((part, key(path.stem)))
        picture = _picture(draft, tree, path, document, part)
        if picture is not None:
            used.add(picture.path)
            picture.shapes = [
                shape for element in document.all('object') for shape in _shapes(draft, tree, path, element, not edges)
            ]
    if passed_over:
        draft.note(
            f'{len(passed_over)} .xml files are in no list of ImageSets/Main and are passed over '
            f'({few([path.name for path in passed_over], 3)})'
        )
    if parts:
        _add_backgrounds(draft, tree, parts, listed, {key(path.stem) for path in files})
    else:
        stems = {key(path.stem) for path in files}
        for image in sorted(image for image in set(tree.photographs()) - used if key(image.stem) not in stems):
            draft.leave_out('images without an XML file (left out)', tree.relative(image))
    return draft


def _part(tree: Tree, path: Path, parts: dict[str, dict[str, str]]) -> str | None:
    if not parts:
        return tree.part(path.parent) or 'all'
    return next((name for name, members in parts.items() if key(path.stem) in members), None)


def _document(draft: Draft, tree: Tree, path: Path) -> Element | None:
    where = tree.relative(path)
    try:
        document = read_xml(path)
    except XmlError as error:
        draft.lose_image('damaged XML files (their images are left out)', f'{where}:{str(error).removeprefix("line ")}')
    except OSError as error:
        draft.lose_image('damaged XML files (their images are left out)', f'{where}: {error}')
    else:
        if document.name == 'annotation':
            return document
        draft.leave_out('XML files that are no annotations (left out)', f'{where}: <{document.name}>')
    return None


def _corners_are_edges(documents: dict[Path, Element]) -> str | None:
    """What shows that corners are edges of boxes from 0 on: '3 of 4888 boxes begin at 0'; None if nothing does."""
    boxes, zeros, fractions = 0, 0, 0
    for document in documents.values():
        for element in document.all('object'):
            try:
                left, top, *others = _corners(element)
            except ValueError:
                continue
            boxes += 1
            zeros += min(left, top) == 0
            fractions += any(value % 1 for value in (left, top, *others))
    if fractions:
        return f'{fractions} of {boxes} boxes have corners that are no whole numbers'
    return f'{zeros} of {boxes} boxes begin at 0' if zeros else None


def _corners(element: Element) -> list[float]:
    """(xmin, ymin, xmax, ymax) of an object.

    Raises:
        ValueError: If one is missing or no number.
    """
    box = element.find('bndbox')
    if box is None:
        raise ValueError('no <bndbox>')
    corners = []
    for name in _CORNERS:
        text = box.value(name)
        try:
            corners.append(number(text, comma=True))
        except ValueError:
            raise ValueError(f'{name} is {shown(text)}, no number' if text else f'no <{name}>') from None
    return corners


def _picture(draft: Draft, tree: Tree, path: Path, document: Element, part: str) -> Picture | None:
    """The image of an annotation: that of the XML file's own name, as VOC has it, else the one named in it."""
    where, stated = tree.relative(path), document.value('filename')
    near, folder = path.parent, None if part == 'all' else part
    try:
        image = tree.find_stem(path.stem, near, folder)
    except LookupError as error:
        try:
            image = tree.find_image(stated, near, folder)
        except LookupError:
            if 'may be' not in str(error):
                draft.lose_image(
                    'XML files without an image (left out)',
                    f'{where}: no image {shown(path.stem)}' + (f' or {shown(stated)}' if stated else ''),
                )
            else:
                draft.lose_image('XML files that several images fit (left out)', f'{where}: {error}')
            return None
    try:
        size = number(document.value('size', 'width')), number(document.value('size', 'height'))
    except ValueError:
        size = None
    if size and min(size) <= 0:
        draft.note('some <size> are 0 x 0; sizes are taken from the images')
    return draft.add(part, Picture(image, where, stated=size))


def _shapes(draft: Draft, tree: Tree, path: Path, element: Element, pixels: bool) -> list[Shape]:
    where = f'{tree.relative(path)}:{element.line}'
    label = element.value('name')
    if not label:
        draft.lose('objects without a name (left out)', where)
        return []
    polygon = _polygon(element)
    try:
        left, top, right, bottom = _corners(element)
    except ValueError as error:
        if polygon is None:
            draft.lose('boxes that are not four numbers (left out)', f'{where}: {error}')
            return []
        left, top, width, height = extent([polygon])
        right, bottom, pixels = left + width, top + height, False
    if right < left or bottom < top:
        draft.doubt(
            'boxes whose corners are exchanged (put in order)', f'{where}: {left:g}, {top:g}, {right:g}, {bottom:g}'
        )
        left, right, top, bottom = min(left, right), max(left, right), min(top, bottom), max(top, bottom)
    if right == left or bottom == top:  # nothing that a person marks is one pixel wide
        draft.lose('empty boxes (left out)', f'{where}: {left:g}, {top:g}, {right:g}, {bottom:g}')
        return []
    first = 1 if pixels else 0
    box = left - first, top - first, right - left + first, bottom - top + first
    marks = (element.value(name).lower() for name in ('difficult', 'crowd', 'iscrowd', 'ignore'))
    return [
        Shape(
            label, where, box, [polygon] if polygon else None, crowd=any(mark in ('1', 'true', 'yes') for mark in marks)
        )
    ]


def _polygon(element: Element) -> list[float] | None:
    """The points of a polygon, as Roboflow (x1, y1, …) and LabelMe's first version (<pt>) write it."""
    polygon = element.find('polygon')
    if polygon is None:
        return None
    try:
        if polygon.all('pt'):
            points = [number(point.value(name)) for point in polygon.all('pt') for name in ('x', 'y')]
        else:
            named = {child.name: number(child.text) for child in polygon.children}
            points = [named[f'{axis}{index}'] for index in range(1, len(named) // 2 + 1) for axis in 'xy']
    except (ValueError, KeyError):
        return None
    return points if len(points) >= 6 else None


def _add_backgrounds(draft: Draft, tree: Tree, parts: dict[str, dict[str, str]], listed: set, files: set[str]) -> None:
    """Images that a list names and that have no XML file are images without an object."""
    added: Counter[str] = Counter()
    for part, names in parts.items():
        for identifier, name in names.items():
            if (part, identifier) in listed or identifier in files:
                continue
            try:
                image = tree.find_image(name, tree.root, part)
            except LookupError as error:
                draft.lose_image('images of ImageSets missing (left out)', f'{part}: {error}')
                continue
            draft.add(part, Picture(image, f'ImageSets ({name})'))
            added[part] += 1
    total = sum(len(members) for members in parts.values())
    if added.total():
        draft.note(
            f'{added.total()} of {total} images in ImageSets have no XML file and count as images without an object'
        )
