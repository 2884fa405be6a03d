"""Odd data sets, as people have them: each with what is to be expected of reading it.

``ODD`` maps a name to an :class:`Odd`. Most train; of the others one sentence names what is wrong and what to do.
"""

from __future__ import annotations

import base64
import io
import json
import os
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from dataset_writers import (
    Item,
    Thing,
    coco,
    csv_rows,
    csv_text,
    drawn,
    encoded,
    labelme,
    renamed,
    voc_xml,
    write,
    write_coco,
    write_folders,
    write_voc,
    write_yolo,
    yaml_text,
    yolo_lines,
)
from PIL import Image

READS = 'reads'

CLASSES = ['cat', 'dog']


class Odd(NamedTuple):
    """An odd data set.

    Args:
        make: Writes it into a folder; returns the path to give where that is not the folder.
        format: The format that it is recognised as; '' where it is refused before.
        expected: 'reads', or a piece of the sentence that refuses it.
        images: Number of images that are read; None: not stated.
        objects: Number of objects that are read; None: not stated.
        says: Piece of a finding or note; '' for none.
    """

    make: Callable[[Path], Path | None]
    format: str
    expected: str
    images: int | None
    objects: int | None
    says: str


ODD: dict[str, Odd] = {}


def odd(format: str, expected: str = READS, *, images: int | None = None, objects: int | None = None, says: str = ''):
    def add(make: Callable[[Path], Path | None]) -> Callable[[Path], Path | None]:
        ODD[make.__name__] = Odd(make, format, expected, images, objects, says)
        return make

    return add


def edit(path: Path, old: str, new: str) -> None:
    """Replaces a piece of a text file, which must be in it."""
    text = path.read_text('utf-8')
    assert old in text
    path.write_text(text.replace(old, new, 1), 'utf-8')


# ----- YOLO


@odd('yolo', images=8, objects=16)
def yolo_names_with_spaces_and_umlauts(folder):
    write_yolo(renamed(drawn(), 'Größe {} (Kopie).png'), folder, ['cat', 'dog'])


@odd('yolo', images=8, objects=16)
def yolo_labels_with_decomposed_names(folder):
    write_yolo(renamed(drawn(), 'Größe {}.png'), folder)
    for path in sorted((folder / 'labels').iterdir()):
        path.rename(path.with_name(unicodedata.normalize('NFD', path.name)))


@odd('yolo', images=8, objects=16)
def yolo_upper_case_suffixes(folder):
    write_yolo(renamed(drawn(suffix='.jpg'), 'DSC{}.JPG'), folder)
    for path in sorted((folder / 'labels').iterdir()):
        path.rename(path.with_suffix('.TXT'))


@odd('yolo', images=8, objects=12)
def yolo_empty_label_files(folder):
    write_yolo(drawn(), folder)
    for number in (2, 5):
        (folder / f'labels/photo_{number}.txt').write_bytes(b'')


@odd('yolo', images=8, objects=10, says='3 of 8 images have no label file')
def yolo_images_without_labels(folder):
    write_yolo(drawn(), folder)
    for number in range(3):
        (folder / f'labels/photo_{number}.txt').unlink()


@odd('yolo', images=6, objects=12, says='label files without an image')
def yolo_labels_without_images(folder):
    write_yolo(drawn(), folder)
    for number in range(2):
        (folder / f'images/photo_{number}.png').unlink()


@odd('yolo', 'number the classes from 1')
def yolo_classes_from_1(folder):
    write_yolo(drawn(), folder, ['-', 'cat', 'dog'])
    write(folder / 'data.yaml', yaml_text(CLASSES, dict(train='images')))


@odd('yolo', images=8, objects=15, says='classes beyond the names')
def yolo_class_beyond_the_names(folder):
    write_yolo(drawn(), folder)
    edit(folder / 'labels/photo_0.txt', '0 ', '7 ')


@odd('yolo', images=8, objects=16)
def yolo_without_yaml(folder):
    write_yolo(drawn(), folder)
    (folder / 'data.yaml').unlink()
    write(folder / 'classes.txt', 'cat\r\ndog\r\n')


@odd('yolo', images=8, objects=16, says='no names of the classes')
def yolo_without_names(folder):
    for item in drawn():
        write(folder / item.name, item.content)
        write(folder / f'{item.stem}.txt', yolo_lines(item, CLASSES))


def roboflow(folder: Path, parts: dict[str, str], **others: str) -> None:
    for item in drawn(val=2):
        home = folder / ('valid' if item.part == 'val' else 'train')
        write(home / 'images' / item.name, item.content)
        write(home / 'labels' / f'{item.stem}.txt', yolo_lines(item, CLASSES))
    write(folder / 'data.yaml', yaml_text(CLASSES, parts, **others))
    write(folder / 'README.roboflow.txt', 'exported\n')


@odd('yolo', images=8, objects=16, says='test: ../test/images')
def yolo_relative_paths_of_roboflow(folder):
    roboflow(folder, dict(train='../train/images', val='../valid/images', test='../test/images'))


@odd('yolo', images=8, objects=16)
def yolo_paths_of_another_machine(folder):
    roboflow(folder, dict(train='/content/cats-and-dogs/train/images', val='C:\\Users\\me\\cats\\valid\\images'))


@odd('yolo', images=8, objects=16)
def yolo_path_and_relative_parts(folder):
    roboflow(folder / 'deep' / 'data', dict(train='train/images', val='valid/images'), path='../datasets/data')
    return folder / 'deep' / 'data' / 'data.yaml'


@odd('yolo', images=8, objects=16)
def yolo_images_beside_the_yaml_folder(folder):
    write_yolo(drawn(val=2), folder / 'data')
    (folder / 'config').mkdir()
    (folder / 'data/data.yaml').rename(folder / 'config/data.yaml')
    edit(folder / 'config/data.yaml', 'train:', 'path: ../data\ntrain:')
    return folder / 'config/data.yaml'


@odd('yolo', images=8, objects=16)
def yolo_linked_images(folder):
    write_yolo(drawn(), folder)
    (folder / 'images').rename(folder.with_name(f'{folder.name}_elsewhere'))
    os.symlink(folder.with_name(f'{folder.name}_elsewhere'), folder / 'images')


@odd('yolo', images=8, objects=16, says='val in data.yaml are the same images')
def yolo_val_is_train(folder):
    write_yolo(drawn(), folder)
    write(folder / 'data.yaml', yaml_text(CLASSES, dict(train='images', val='images')))


@odd('yolo', images=8, objects=16)
def yolo_lists_of_images(folder):
    items = drawn(val=2)
    for item in items:
        write(folder / 'images' / item.name, item.content)
        write(folder / 'labels' / f'{item.stem}.txt', yolo_lines(item, CLASSES))
    for part in ('train', 'val'):
        write(folder / f'{part}.txt', ''.join(f'./images/{item.name}\n' for item in items if item.part == part))
    write(folder / 'data.yaml', yaml_text(CLASSES, dict(train='train.txt', val='val.txt')))


@odd('yolo', images=8, objects=16)
def yolo_of_darknet(folder):
    items = drawn()
    for item in items:
        write(folder / 'obj_train_data' / item.name, item.content)
        write(folder / 'obj_train_data' / f'{item.stem}.txt', yolo_lines(item, CLASSES))
    write(folder / 'train.txt', ''.join(f'data/obj_train_data/{item.name}\n' for item in items))
    write(folder / 'obj.names', 'cat\ndog\n')
    write(folder / 'obj.data', 'classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n')


@odd('yolo', images=8, objects=16)
def yolo_polygons(folder):
    write_yolo(drawn(polygons=True, val=2), folder)


@odd('yolo', images=8, objects=16)
def yolo_tabs_comma_decimals_and_crlf(folder):
    write_yolo(drawn(), folder)
    for path in sorted((folder / 'labels').iterdir()):
        text = path.read_text().replace('.', ',').replace(' ', '\t').replace('\n', '\r\n')
        path.write_bytes(b'\xef\xbb\xbf' + text.encode())
    text = (folder / 'data.yaml').read_text().replace('\n', '\r\n')
    (folder / 'data.yaml').write_bytes(b'\xef\xbb\xbf' + text.encode())


@odd('yolo', 'in pixels instead of shares of the image')
def yolo_boxes_in_pixels(folder):
    for item in drawn():
        write(folder / 'images' / item.name, item.content)
        write(
            folder / 'labels' / f'{item.stem}.txt',
            ''.join(f'{CLASSES.index(thing.label)} {" ".join(map(str, thing.box))}\n' for thing in item.things),
        )
    write(folder / 'data.yaml', yaml_text(CLASSES, dict(train='images')))


@odd('yolo', images=8, objects=16, says='lists of class names that differ')
def yolo_classes_in_another_order_in_val(folder):
    for item in drawn(val=2):
        names = CLASSES if item.part == 'train' else CLASSES[::-1]
        write(folder / item.part / item.name, item.content)
        write(folder / item.part / f'{item.stem}.txt', yolo_lines(item, names))
        write(folder / item.part / 'classes.txt', '\n'.join(names))


@odd('yolo', "data.yaml:2' is no YAML")
def yolo_yaml_with_a_tab(folder):
    write_yolo(drawn(), folder)
    write(folder / 'data.yaml', 'train: images\n\tval: images\nnames: [cat, dog]\n')


@odd('yolo', 'says train: pictures/train, and that is not there')
def yolo_train_folder_missing(folder):
    write_yolo(drawn(), folder)
    edit(folder / 'data.yaml', 'images/', 'pictures/train')


@odd('yolo', images=9, objects=18, says='images that share a label file')
def yolo_duplicated_stems(folder):
    items = drawn()
    write_yolo(items, folder)
    write(folder / 'images/photo_0.jpg', encoded(Image.open(io.BytesIO(items[0].content)), '.jpg'))


@odd('yolo', images=8, objects=14, says='lines that are not numbers')
def yolo_damaged_lines(folder):
    write_yolo(drawn(), folder)
    edit(folder / 'labels/photo_0.txt', '0 ', '0 x ')
    edit(folder / 'labels/photo_1.txt', '1 ', '1 0.5 ')


@odd('yolo', images=8, objects=16, says='objects that repeat another')
def yolo_repeated_lines(folder):
    write_yolo(drawn(), folder)
    path = folder / 'labels/photo_3.txt'
    path.write_text(path.read_text() * 2)


@odd('yolo', images=8, objects=16)
def yolo_names_that_yaml_takes_for_other_values(folder):
    write_yolo(drawn(), folder)
    write(folder / 'data.yaml', 'train: images\nval:\nnc: 2\nnames: [no, 007]\n')


@odd('yolo', images=8, objects=16)
def yolo_key_points(folder):
    write_yolo(drawn(), folder)
    for path in sorted((folder / 'labels').iterdir()):
        path.write_text(path.read_text().replace('\n', ' 0.4 0.4 2 0.5 0.5 1\n'))
    edit(folder / 'data.yaml', 'nc:', 'kpt_shape: [2, 3]\nnc:')


# ----- Pascal VOC


@odd('voc', images=8, objects=16)
def voc_windows_paths_and_wrong_suffixes(folder):
    for item in drawn():
        write(folder / item.name, item.content)
        write(folder / f'{item.stem}.xml', voc_xml(item, filename=f'C:\\Bilder\\{item.stem}.JPEG'))


@odd('voc', images=8, objects=16, says='corners are edges counted from 0')
def voc_corners_from_0(folder):
    items = drawn()
    items[0].things[0] = Thing('cat', (0, 0, 30, 24))
    for item in items:
        write(folder / 'images' / item.name, item.content)
        write(folder / 'annotations' / f'{item.stem}.xml', voc_xml(item, first=0))


@odd('voc', images=8, objects=16)
def voc_difficult_objects(folder):
    items = drawn(val=2)
    for item in items[::3]:
        item.things[1].crowd = True
    write_voc(items, folder)


@odd('voc', images=7, objects=14, says='damaged XML files')
def voc_one_damaged_file(folder):
    write_voc(drawn(), folder)
    path = folder / 'Annotations/photo_2.xml'
    path.write_text(path.read_text()[:-60])


@odd('voc', images=7, objects=14, says='it declares entities')
def voc_one_file_with_entities(folder):
    write_voc(drawn(), folder)
    path = folder / 'Annotations/photo_2.xml'
    path.write_text('<!DOCTYPE a [<!ENTITY b "cat"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>\n' + path.read_text())


@odd('voc', images=8, objects=16)
def voc_in_utf_16_with_crlf(folder):
    write_voc(drawn(), folder)
    for path in sorted((folder / 'Annotations').iterdir()):
        path.write_bytes(path.read_text().replace('\n', '\r\n').encode('utf-16'))


@odd('voc', images=8, objects=12, says='2 of 8 images in ImageSets have no XML file')
def voc_listed_images_without_xml(folder):
    write_voc(drawn(val=3), folder)
    for number in (0, 7):
        (folder / f'Annotations/photo_{number}.xml').unlink()


@odd('voc', images=6, objects=12, says='images without an XML file')
def voc_images_without_xml(folder):
    write_voc(drawn(), folder)
    for number in (0, 7):
        (folder / f'Annotations/photo_{number}.xml').unlink()


@odd('voc', images=8, objects=16, says='sizes are taken from the images')
def voc_size_of_0(folder):
    write_voc(drawn(), folder)
    for path in sorted((folder / 'Annotations').iterdir()):
        edit(path, '<width>96', '<width>0')


@odd('voc', images=8, objects=16, says='boxes that were annotated before the EXIF orientation')
def voc_exif_orientation(folder):
    items = []
    for item in drawn():
        exif = Image.Exif()
        exif[0x0112] = 6
        items.append(
            replace(
                item, name=f'{item.stem}.jpg', content=encoded(Image.open(io.BytesIO(item.content)), '.jpg', exif=exif)
            )
        )
    write_voc(items, folder)


@odd('voc', images=8, objects=16, says='resized after they were annotated')
def voc_images_resized_after_annotation(folder):
    write_voc(
        [replace(item, content=encoded(Image.open(io.BytesIO(item.content)).resize((192, 144)))) for item in drawn()],
        folder,
    )


@odd('voc', images=8, objects=16)
def voc_nested_folders(folder):
    write_voc(drawn(val=2), folder / 'VOCdevkit' / 'VOC2007')


@odd('voc', images=8, objects=14, says='empty boxes')
def voc_empty_and_reversed_boxes(folder):
    items = drawn()
    items[0].things[0] = Thing('cat', (9, 9, 1, 1))
    items[1].things[0] = Thing('cat', (9, 9, 20, 1))
    items[2].things[0] = Thing('cat', (40, 40, -20, -18))
    write_voc(items, folder)


@odd('voc', images=8, objects=16, says='boxes clipped to the image')
def voc_boxes_that_stick_out(folder):
    items = drawn()
    for item in items[:3]:
        item.things[0] = Thing('cat', (60, 40, 50, 60))
    write_voc(items, folder)


@odd('voc', 'of 16 objects in')
def voc_most_objects_damaged(folder):
    items = drawn()
    for item in items[:6]:
        item.things = [Thing('cat', (300, 20, 10, 10)), Thing('dog', (20, 200, 10, 10))]
    write_voc(items, folder)


@odd('voc', images=8, objects=16, says='images in two lists of ImageSets')
def voc_image_in_train_and_val(folder):
    write_voc(drawn(val=2), folder)
    path = folder / 'ImageSets/Main/val.txt'
    path.write_text('photo_0\n' + path.read_text())


@odd('voc', images=8, objects=16, says='nearly the same')
def voc_class_names_in_two_spellings(folder):
    items = drawn()
    items[0].things[0].label = 'Cat '
    items[1].things[1].label = 'CAT'
    write_voc(items, folder)


@odd('voc', images=8, objects=16)
def voc_with_masks_beside_the_images(folder):
    items = drawn(val=2)
    write_voc(items, folder)
    for item in items:
        for name in ('SegmentationClass', 'SegmentationObject'):
            write(folder / name / item.name, item.content)


# ----- COCO


@odd('coco', images=8, objects=16, says='in another order')
def coco_categories_in_another_order_in_val(folder):
    items = drawn(val=2)
    write_coco(items, folder)
    write(folder / 'annotations/instances_val.json', coco(items[6:], CLASSES[::-1], first=5))


@odd('coco', images=8, objects=16)
def coco_of_roboflow(folder):
    for part, name in (('train', 'train'), ('val', 'valid')):
        items = [item for item in drawn(val=2) if item.part == part]
        content = coco(items, ['animals', *CLASSES], first=0)
        for category in content['categories'][1:]:
            category['supercategory'] = 'animals'
        write(folder / name / '_annotations.coco.json', content)
        for item in items:
            write(folder / name / item.name, item.content)


@odd('coco', images=8, objects=16)
def coco_as_coco_has_it(folder):
    items = drawn(val=2)
    for part in ('train', 'val'):
        members = [item for item in items if item.part == part]
        write(folder / f'annotations/instances_{part}2017.json', coco(members, CLASSES))
        write(folder / f'annotations/captions_{part}2017.json', dict(images=[], annotations=[], info={}))
        for item in members:
            write(folder / f'{part}2017' / item.name, item.content)


@odd('coco', images=8, objects=16)
def coco_of_label_studio(folder):
    items = renamed(drawn(), '3fa1c{}-foto.png')
    content = coco(items, CLASSES, first=0)
    for image in content['images'][:4]:
        image['file_name'] = f'..\\..\\label-studio\\media\\upload\\1\\{image["file_name"]}'
    for image in content['images'][4:]:
        image['file_name'] = f'images/{image["file_name"]}'
    write(folder / 'result.json', content)
    for item in items:
        write(folder / 'images' / item.name, item.content)


@odd('coco', images=8, objects=16)
def coco_of_cvat(folder):
    items = drawn()
    write(folder / 'annotations/instances_default.json', coco(items, CLASSES))
    for item in items:
        write(folder / 'images/default' / item.name, item.content)


@odd('coco', images=8, objects=16)
def coco_with_bom(folder):
    write_coco(drawn(), folder)
    path = folder / 'annotations/instances.json'
    path.write_bytes(b'\xef\xbb\xbf' + path.read_bytes())


@odd('coco', 'is no JSON (line 1')
def coco_cut_off(folder):
    write_coco(drawn(), folder)
    path = folder / 'annotations/instances.json'
    path.write_bytes(path.read_bytes()[:-300])
    return path


@odd('coco', images=8, objects=16, says='1 of 3 classes have no object: owl')
def coco_class_without_objects(folder):
    items = drawn()
    write_coco(items, folder)
    write(folder / 'annotations/instances.json', coco(items, ['cat', 'owl', 'dog']))


@odd('coco', images=8, objects=13, says='annotations of unknown categories')
def coco_references_to_nothing(folder):
    write_coco(drawn(), folder)
    path = folder / 'annotations/instances.json'
    content = json.loads(path.read_text())
    content['annotations'][0]['category_id'] = 9
    content['annotations'][1]['image_id'] = 99
    content['annotations'][2]['bbox'] = None
    write(path, content)


@odd('coco', images=8, objects=16)
def coco_masks_of_both_kinds(folder):
    items = drawn(polygons=True)
    write_coco(items, folder)
    path = folder / 'annotations/instances.json'
    content = json.loads(path.read_text())
    content['annotations'][0]['segmentation'] = dict(size=[72, 96], counts=[4 * 72 + 4, *[20, 52] * 24, 72 * 68 - 4])
    write(path, content)


@odd('coco', images=8, objects=16)
def coco_same_names_in_train_and_val(folder):
    for part, name in (('train', 'photo_{}.png'), ('val', 'photo_{}.png')):
        items = renamed([item for item in drawn(val=4) if item.part == part], name)
        write(folder / part / 'images' / 'empty.md', '')
        write(folder / f'{part}.json', coco(items, CLASSES))
        for item in items:
            write(folder / part / 'images' / item.name, item.content)


@odd('coco', 'images missing: 8')
def coco_without_its_images(folder):
    write_coco(drawn(), folder)
    for path in (folder / 'images').iterdir():
        path.rename(path.with_name(f'x{path.name}'))


@odd('coco', '5 of 8 images of')
def coco_without_most_of_its_images(folder):
    write_coco(drawn(), folder)
    for number in range(5):
        (folder / f'images/photo_{number}.png').unlink()


@odd('coco', images=8, objects=16, says='counts as the whole data set')
def coco_only_val(folder):
    items = drawn()
    write(folder / 'instances_val.json', coco(items, CLASSES))
    for item in items:
        write(folder / item.name, item.content)


@odd('coco', images=7, objects=14, says='convert it to .jpg or .png')
def coco_image_of_another_kind(folder):
    write_coco(drawn(), folder)
    (folder / 'images/photo_0.png').rename(folder / 'images/photo_0.gif')
    edit(folder / 'annotations/instances.json', 'photo_0.png', 'photo_0.gif')
    edit(folder / 'annotations/instances.json', '"photo_0', '"images/photo_0')


@odd('coco', images=6, objects=12, says='the file is empty')
def coco_images_of_0_bytes(folder):
    write_coco(drawn(), folder)
    for number in (1, 4):
        (folder / f'images/photo_{number}.png').write_bytes(b'')


@odd('coco', 'not all their names say train, val or test')
def coco_several_files_of_no_part(folder):
    items = drawn()
    write_coco(items, folder)
    write(folder / 'annotations/old.json', coco(items[:4], CLASSES))


@odd('coco', 'boxes that look like [left, top, right, bottom]')
def coco_boxes_as_corners(folder):
    write_coco(drawn(), folder)
    path = folder / 'annotations/instances.json'
    content = json.loads(path.read_text())
    for entry in content['annotations']:
        x, y, width, height = entry['bbox']
        entry['bbox'] = [x, y, x + width, y + height]
    write(path, content)


# ----- CSV


HEADER = ['filename', 'xmin', 'ymin', 'xmax', 'ymax', 'class']


def with_images(folder: Path, items: list[Item]) -> list[Item]:
    for item in items:
        write(folder / 'images' / item.name, item.content)
    return items


@odd('csv', images=8, objects=16)
def csv_semicolons_and_comma_decimals(folder):
    rows = [
        [name, x + 0.25, y + 0.5, x2 + 0.25, y2 + 0.5, label]
        for name, x, y, x2, y2, label, _ in csv_rows(with_images(folder, drawn()))
    ]
    write(folder / 'boxes.csv', csv_text([HEADER, *rows], ';', comma=True).replace('\n', '\r\n'))


@odd('csv', images=8, objects=14)
def csv_without_a_header(folder):
    items = with_images(folder, drawn())
    items[3].things = []
    rows = [row[:6] for row in csv_rows(items, 'images/')]
    write(folder / 'annotations.csv', csv_text(rows))
    write(folder / 'classes.csv', 'cat,0\ndog,1\n')


@odd('csv', images=8, objects=16)
def csv_of_a_spreadsheet_in_utf_16(folder):
    rows = [row[:6] for row in csv_rows(with_images(folder, drawn()))]
    write(folder / 'boxes.csv', csv_text([['Image Path', 'X1', 'Y1', 'X2', 'Y2', 'Label'], *rows], '\t'), 'utf-16')


@odd('csv', images=8, objects=16)
def csv_boxes_by_width_and_height(folder):
    rows = [
        [label, *(str(value) for value in (x, y, x2 - x, y2 - y)), name, 96, 72]
        for name, x, y, x2, y2, label, _ in csv_rows(with_images(folder, drawn()))
    ]
    header = [
        'label_name',
        'bbox_x',
        'bbox_y',
        'bbox_width',
        'bbox_height',
        'image_name',
        'image_width',
        'image_height',
    ]
    write(folder / 'labels.csv', csv_text([header, *rows]))


@odd('csv', images=8, objects=16, says='boxes are shares of the image')
def csv_shares_of_the_image(folder):
    rows = [
        [name, label, x / 96, x2 / 96, y / 72, y2 / 72, 0]
        for name, x, y, x2, y2, label, _ in csv_rows(with_images(folder, drawn()))
    ]
    header = ['ImageID', 'LabelName', 'XMin', 'XMax', 'YMin', 'YMax', 'IsGroupOf']
    write(folder / 'boxes.csv', csv_text([header, *[[row[0].removesuffix('.png'), *row[1:]] for row in rows]]))


@odd('csv', images=8, objects=16)
def csv_windows_paths(folder):
    rows = [row[:6] for row in csv_rows(with_images(folder, renamed(drawn(), 'Foto {}.PNG')), 'D:\\Bilder\\neu\\')]
    write(folder / 'boxes.csv', csv_text([HEADER, *rows]))


@odd('csv', images=8, objects=16)
def csv_with_a_column_for_the_part(folder):
    items = with_images(folder, drawn(val=2))
    rows = [[*row[:6], item.part] for item in items for row in csv_rows([item])]
    write(folder / 'boxes.csv', csv_text([[*HEADER, 'split'], *rows]))


@odd('csv', images=8, objects=14, says='rows whose box is not four numbers')
def csv_damaged_rows(folder):
    rows = [row[:6] for row in csv_rows(with_images(folder, drawn()))]
    rows[1][2] = '?'
    rows[2] = rows[2][:3]
    write(folder / 'boxes.csv', csv_text([HEADER, *rows]))


@odd('csv', images=8, objects=16, says="one class, 'object'")
def csv_without_a_class(folder):
    rows = [
        [name, 96, 72, f'[{x}, {y}, {x2 - x}, {y2 - y}]']
        for name, x, y, x2, y2, *_ in csv_rows(with_images(folder, drawn()))
    ]
    write(folder / 'train.csv', csv_text([['image_id', 'width', 'height', 'bbox'], *rows]))


# ----- LabelMe


@odd('labelme', images=8, objects=16)
def labelme_groups_and_circles(folder):
    for item in drawn(polygons=True):
        content = labelme(item)
        first, second = content['shapes']
        x, y, width, height = item.things[0].box
        first.update(group_id=1, points=[[x, y], [x + width, y], [x, y + 8]])
        content['shapes'].append({**first, 'points': [[x, y + height], [x + width, y + height], [x, y + height - 8]]})
        x, y, width, height = item.things[1].box
        second.update(shape_type='circle', points=[[x + 10, y + 10], [x + 10, y + 19]])
        write(folder / item.name, item.content)
        write(folder / f'{item.stem}.json', content)


@odd('labelme', images=8, objects=16)
def labelme_windows_paths(folder):
    for item in renamed(drawn(), 'Fläche {}.png'):
        write(folder / 'images' / item.name, item.content)
        write(folder / 'json' / f'{item.stem}.json', labelme(item, imagePath=f'..\\images\\{item.name}'))


@odd('labelme', 'the image is inside the file')
def labelme_images_inside_the_files(folder):
    for item in drawn():
        write(folder / f'{item.stem}.json', labelme(item, imageData=base64.b64encode(item.content).decode()))
    write(folder / 'other.png', drawn(1)[0].content)


@odd('labelme', images=8, objects=14, says='shapes that are no area')
def labelme_points_and_lines(folder):
    for number, item in enumerate(drawn(polygons=True)):
        content = labelme(item)
        if number < 2:
            content['shapes'][0]['shape_type'] = ('linestrip', 'point')[number]
        write(folder / item.name, item.content)
        write(folder / f'{item.stem}.json', content)


# ----- folders of classes


@odd('folders', images=8, says='class folders without an image')
def folders_with_an_empty_class(folder):
    write_folders(drawn(), folder)
    (folder / 'owl').mkdir()


@odd('folders', images=12, says='class folders that not all parts have')
def folders_with_a_class_that_val_lacks(folder):
    write_folders(drawn(12, ['cat', 'dog', 'owl'], val=2), folder)


@odd('folders', images=6, says='test has no class folders')
def folders_with_a_test_of_no_classes(folder):
    for number, item in enumerate(drawn()):
        write(folder / ('test' if number > 5 else f'train/{item.things[0].label}') / item.name, item.content)


@odd('folders', images=8)
def folders_with_a_class_called_train(folder):
    for number, item in enumerate(drawn()):
        write(folder / ('bus', 'car', 'train')[number % 3] / item.name, item.content)


@odd('folders', images=8)
def folders_nested(folder):
    for item in drawn():
        write(folder / 'my data' / 'pictures' / item.things[0].label / '2024' / item.name.upper(), item.content)


@odd('folders', images=7, says='the file is empty')
def folders_with_a_file_of_0_bytes(folder):
    write_folders(drawn(val=2), folder)
    (folder / 'train/cat/photo_0.png').write_bytes(b'')


# ----- of any format, or of none


@odd('yolo', images=8, objects=16)
def one_class(folder):
    write_yolo(drawn(classes=['cat']), folder)


@odd('voc', images=1, objects=2)
def one_image(folder):
    write_voc(drawn(1), folder)


@odd('coco', images=2, objects=2)
def two_images_of_one_object(folder):
    write_coco(drawn(2, objects=1), folder)


@odd('voc', images=8, objects=16)
def links_in_a_circle(folder):
    write_voc(drawn(), folder / 'data')
    os.symlink(folder, folder / 'data' / 'again')


@odd('voc', images=8, objects=16)
def hidden_files_of_a_mac(folder):
    write_voc(drawn(), folder)
    for path in [*sorted((folder / 'Annotations').iterdir()), *sorted((folder / 'JPEGImages').iterdir())]:
        path.with_name(f'._{path.name}').write_bytes(b'\0\5\x16\7')
    write(folder / '__MACOSX/Annotations/photo_0.xml', '<annotation/>')


@odd('voc', images=8, objects=16)
def trained_with_before(folder):
    write_voc(drawn(val=2), folder)
    for part in ('train', 'val'):
        write(folder / f'work_dirs/{folder.name}/data/{part}.json', coco(drawn(), CLASSES))


@odd('', 'no annotations that are known')
def images_alone(folder):
    for item in drawn():
        write(folder / item.name, item.content)


@odd('', 'say which to read: --format yolo or --format voc')
def two_formats_at_once(folder):
    write_yolo(drawn(), folder)
    for item in drawn():
        write(folder / 'xml' / f'{item.stem}.xml', voc_xml(item))


@odd('', "export it from CVAT as 'COCO 1.0'")
def own_xml_of_cvat(folder):
    for item in drawn():
        write(folder / 'images' / item.name, item.content)
    write(folder / 'annotations.xml', '<?xml version="1.0"?>\n<annotations><version>1.1</version></annotations>\n')


@odd('', "is in VIA's own JSON (regions.json); export it from there as COCO")
def own_json_of_via(folder):
    for item in drawn():
        write(folder / item.name, item.content)
    write(folder / 'regions.json', {'a.png1': {'filename': 'a.png', 'regions': [{'shape_attributes': {}}]}})


@odd('', 'has labels of another form than YOLO')
def labels_of_kitti(folder):
    for item in drawn():
        write(folder / 'image_2' / item.name, item.content)
        write(folder / 'label_2' / f'{item.stem}.txt', f'Car 0.00 0 -1.58 {" ".join(["1.5"] * 11)}\n')


@odd('voc', images=8, objects=16, says='there are boxes in test.csv, too')
def voc_with_a_table_beside_it(folder):
    write_voc(drawn(val=2), folder / 'BCCD')
    write(folder / 'example.png', drawn(1)[0].content)
    write(folder / 'test.csv', csv_text([HEADER, *(row[:6] for row in csv_rows(drawn()))]))


@odd('', 'there is no image in')
def empty_folder(folder):
    folder.mkdir(exist_ok=True)


@odd('', 'no file or folder')
def missing_folder(folder):
    return folder / 'nothing'


@odd('', 'holds an archive (data.zip); unpack it')
def archive_not_unpacked(folder):
    write(folder / 'data.zip', b'PK')


@odd('yolo', 'not one object')
def annotations_without_an_object(folder):
    write_yolo([replace(item, things=[]) for item in drawn()], folder, CLASSES)


def write_all(folder: Path) -> dict[str, Path]:
    """Writes each odd data set into a folder of its own; the paths to give, by name."""
    return {name: each.make(folder / name) or folder / name for name, each in ODD.items()}
