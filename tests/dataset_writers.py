"""Writers of small data sets in each format that people have, for tests of reading and training."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.etree import ElementTree

from PIL import Image, ImageDraw

from mmattn.data.formats.source import Source

BLOOD_CELLS = Path(__file__).resolve().parent / 'fixtures' / 'blood_cells'

COLOURS = {'cat': (220, 60, 40), 'dog': (40, 90, 220), 'owl': (60, 170, 70)}
SIZE = (96, 72)


@dataclass
class Thing:
    """An object: its class, box (x, y, width, height) in pixels, and polygon [x, y, …]."""

    label: str
    box: tuple[float, float, float, float]
    polygon: list[float] | None = None
    crowd: bool = False


@dataclass
class Item:
    """An image: its name, content, size in pixels and part of the data set, and the objects in it."""

    name: str
    content: bytes
    size: tuple[int, int] = SIZE
    part: str = 'all'
    things: list[Thing] = field(default_factory=list)

    @property
    def stem(self) -> str:
        return self.name.rpartition('.')[0]


def drawn(
    count: int = 8,
    classes: Sequence[str] = ('cat', 'dog'),
    *,
    suffix: str = '.png',
    val: int = 0,
    polygons: bool = False,
    objects: int = 2,
) -> list[Item]:
    """Images with one colour for each class: rectangles, or triangles.

    Args:
        count: Number of images.
        classes: Names of the classes, which objects have by turns.
        suffix: Suffix of the images' names.
        val: Number of images, the last ones, that are the part val, the others are train; 0: all are the part all.
        polygons: Whether objects are triangles with polygons.
        objects: Number of objects in an image.
    """
    items = []
    for number in range(count):
        image = Image.new('RGB', SIZE, (225, 222, 214))
        canvas = ImageDraw.Draw(image)
        things = []
        for index in range(objects):
            label = classes[(number + index) % len(classes)]
            x, y = 4 + (index * 44 + number * 3) % 60, 4 + (index * 20 + number * 5) % 36
            box = (x, y, 24 + number % 4 * 2, 20 + number % 3 * 4)
            polygon = [x, y, x + box[2], y, x + box[2] // 2, y + box[3]] if polygons else None
            colour = COLOURS.get(label, (120, 60, 150))
            if polygon:
                canvas.polygon(list(zip(polygon[0::2], polygon[1::2])), fill=colour)
            else:
                canvas.rectangle((x, y, x + box[2] - 1, y + box[3] - 1), fill=colour)
            things.append(Thing(label, box, polygon))
        part = 'all' if not val else 'val' if number >= count - val else 'train'
        items.append(Item(f'photo_{number}{suffix}', encoded(image, suffix), SIZE, part, things))
    return items


def encoded(image: Image.Image, suffix: str = '.png', **options) -> bytes:
    content = io.BytesIO()
    image.save(content, {'.jpg': 'JPEG', '.jpeg': 'JPEG', '.tif': 'TIFF'}.get(suffix.lower(), suffix[1:]), **options)
    return content.getvalue()


def items_of(source: Source) -> list[Item]:
    """The images and objects of a data set that was read."""
    items = []
    for part, content in source.parts.items():
        for image in content.images:
            path = content.root / image['file_name']
            things = [
                Thing(
                    source.classes[each['category_id'] - 1],
                    tuple(each['bbox']),
                    (each.get('segmentation') or [None])[0],
                    bool(each['iscrowd']),
                )
                for each in content.annotations
                if each['image_id'] == image['id']
            ]
            items.append(Item(path.name, path.read_bytes(), (image['width'], image['height']), part, things))
    return items


def classes_of(items: Sequence[Item]) -> list[str]:
    return sorted({thing.label for item in items for thing in item.things})


def parts_of(items: Sequence[Item]) -> dict[str, list[Item]]:
    return {part: [item for item in items if item.part == part] for part in dict.fromkeys(item.part for item in items)}


def write(path: Path, content: str | bytes | dict, encoding: str = 'utf-8') -> Path:
    """Writes text, bytes or JSON to a file, whose folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, dict):
        content = json.dumps(content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


# ----- COCO


def coco(items: Sequence[Item], classes: Sequence[str], first: int = 1, folder: str = '') -> dict:
    """Content of a COCO JSON file.

    Args:
        items: The images.
        classes: Names of the categories in their order.
        first: Id of the first category.
        folder: Folder in front of the file names.
    """
    content = dict(
        images=[],
        annotations=[],
        categories=[
            dict(id=number, name=name, supercategory='none') for number, name in enumerate(classes, start=first)
        ],
    )
    for item in items:
        number = len(content['images']) + 1
        content['images'].append(dict(id=number, file_name=folder + item.name, width=item.size[0], height=item.size[1]))
        for thing in item.things:
            content['annotations'].append(
                dict(
                    id=len(content['annotations']) + 1,
                    image_id=number,
                    bbox=list(thing.box),
                    area=thing.box[2] * thing.box[3],
                    category_id=classes.index(thing.label) + first,
                    iscrowd=int(thing.crowd),
                    segmentation=[thing.polygon] if thing.polygon else [],
                )
            )
    return content


def write_coco(items: Sequence[Item], folder: Path) -> None:
    """annotations/instances_PART.json and images/; instances.json where there are no parts."""
    classes = classes_of(items)
    for part, members in parts_of(items).items():
        name = 'instances' if part == 'all' else f'instances_{part}'
        write(folder / 'annotations' / f'{name}.json', coco(members, classes))
    for item in items:
        write(folder / 'images' / item.name, item.content)


# ----- YOLO


def yolo_lines(item: Item, classes: Sequence[str]) -> str:
    """A label file's text; crowds, which the format lacks, are left out."""
    width, height = item.size
    lines = []
    for thing in item.things:
        if thing.crowd:
            continue
        x, y, across, down = thing.box
        values = (
            [value / item.size[index % 2] for index, value in enumerate(thing.polygon)]
            if thing.polygon
            else [(x + across / 2) / width, (y + down / 2) / height, across / width, down / height]
        )
        lines.append(' '.join(map(str, [classes.index(thing.label), *values])))
    return '\n'.join(lines) + '\n'


def yaml_text(classes: Sequence[str], parts: dict[str, str], **others: str) -> str:
    lines = [f'{name}: {value}' for name, value in {**others, **parts}.items()]
    names = (f'  {number}: {name}' for number, name in enumerate(classes))
    return '\n'.join([*lines, f'nc: {len(classes)}', 'names:', *names]) + '\n'


def write_yolo(items: Sequence[Item], folder: Path, classes: Sequence[str] | None = None) -> None:
    """data.yaml, images/PART/ and labels/PART/; images/ and labels/ where there are no parts."""
    classes = classes or classes_of(items)
    parts = {}
    for part, members in parts_of(items).items():
        inside = '' if part == 'all' else f'{part}/'
        parts['train' if part == 'all' else part] = f'images/{inside}'
        for item in members:
            write(folder / f'images/{inside}{item.name}', item.content)
            write(folder / f'labels/{inside}{item.stem}.txt', yolo_lines(item, classes))
    write(folder / 'data.yaml', yaml_text(classes, parts))


# ----- Pascal VOC


def voc_xml(item: Item, *, first: int = 1, **replaced: str) -> str:
    """The text of an XML file.

    Args:
        item: The image.
        first: Number of the first pixel; 0: corners are edges.
        replaced: Texts of elements ``filename``, ``width`` and ``height`` instead of the right ones.
    """
    top = ElementTree.Element('annotation')
    ElementTree.SubElement(top, 'filename').text = replaced.get('filename', item.name)
    size = ElementTree.SubElement(top, 'size')
    for name, value in zip(('width', 'height', 'depth'), (*item.size, 3)):
        ElementTree.SubElement(size, name).text = replaced.get(name, str(value))
    for thing in item.things:
        element = ElementTree.SubElement(top, 'object')
        ElementTree.SubElement(element, 'name').text = thing.label
        ElementTree.SubElement(element, 'difficult').text = str(int(thing.crowd))
        box = ElementTree.SubElement(element, 'bndbox')
        x, y, width, height = thing.box
        corners = dict(xmin=x + first, ymin=y + first, xmax=x + width, ymax=y + height)
        for name, value in corners.items():
            ElementTree.SubElement(box, name).text = str(value)
    ElementTree.indent(top)
    return ElementTree.tostring(top, 'unicode') + '\n'


def write_voc(items: Sequence[Item], folder: Path) -> None:
    """Annotations/, JPEGImages/, and ImageSets/Main/ where there are parts."""
    for item in items:
        write(folder / 'JPEGImages' / item.name, item.content)
        write(folder / 'Annotations' / f'{item.stem}.xml', voc_xml(item))
    for part, members in parts_of(items).items():
        if part != 'all':
            write(folder / f'ImageSets/Main/{part}.txt', ''.join(f'{item.stem}\n' for item in members))


# ----- LabelMe


def labelme(item: Item, **replaced: object) -> dict:
    """Content of a JSON file."""
    shapes = []
    for thing in item.things:
        x, y, width, height = thing.box
        polygon = list(zip(thing.polygon[0::2], thing.polygon[1::2])) if thing.polygon else None
        shapes.append(
            dict(
                label=thing.label,
                points=polygon or [[x, y], [x + width, y + height]],
                group_id=None,
                shape_type='polygon' if polygon else 'rectangle',
                flags=dict(difficult=thing.crowd),
            )
        )
    return {
        **dict(
            version='5.4.1',
            flags={},
            shapes=shapes,
            imagePath=item.name,
            imageData=None,
            imageHeight=item.size[1],
            imageWidth=item.size[0],
        ),
        **replaced,
    }


def write_labelme(items: Sequence[Item], folder: Path) -> None:
    """PART/NAME.json beside the images, or in the folder itself where there are no parts."""
    for item in items:
        home = folder if item.part == 'all' else folder / item.part
        write(home / item.name, item.content)
        write(home / f'{item.stem}.json', labelme(item))


# ----- CSV


def csv_rows(items: Sequence[Item], folder: str = '') -> list[list]:
    """path, x1, y1, x2, y2, class, difficult; an image without an object has a row with the path alone."""
    rows = []
    for item in items:
        rows += [
            [folder + item.name, x, y, x + width, y + height, thing.label, int(thing.crowd)]
            for thing in item.things
            for x, y, width, height in [thing.box]
        ] or [[folder + item.name, *[''] * 6]]
    return rows


def csv_text(rows: Sequence[Sequence], delimiter: str = ',', comma: bool = False) -> str:
    """Rows as text, with a decimal comma if asked for."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator='\n').writerows(
        [str(value).replace('.', ',') if comma and isinstance(value, float) else value for value in row] for row in rows
    )
    return text.getvalue()


def write_csv(items: Sequence[Item], folder: Path) -> None:
    """PART.csv, or boxes.csv where there are no parts, and images/."""
    for item in items:
        write(folder / 'images' / item.name, item.content)
    header = ['filename', 'xmin', 'ymin', 'xmax', 'ymax', 'class', 'difficult']
    for part, members in parts_of(items).items():
        name = 'boxes' if part == 'all' else part
        write(folder / f'{name}.csv', csv_text([header, *csv_rows(members)]))


# ----- folders of classes


def write_folders(items: Sequence[Item], folder: Path) -> None:
    """PART/CLASS/NAME, the class being that of the first object."""
    for item in items:
        home = folder if item.part == 'all' else folder / item.part
        write(home / item.things[0].label / item.name, item.content)


WRITERS = dict(coco=write_coco, yolo=write_yolo, voc=write_voc, labelme=write_labelme, csv=write_csv)


def renamed(items: Sequence[Item], name: str) -> list[Item]:
    """The same with other names.

    Args:
        items: The images.
        name: A name with ``{}`` for the number.
    """
    return [replace(item, name=name.format(number)) for number, item in enumerate(items)]
