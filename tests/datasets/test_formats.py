"""Reading of data sets: the same data in each format, and what each format says of itself."""

from __future__ import annotations

import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from dataset_writers import (
    BLOOD_CELLS,
    WRITERS,
    Thing,
    coco,
    drawn,
    encoded,
    items_of,
    voc_xml,
    write,
    write_voc,
    write_yolo,
)
from PIL import Image

from mmattn.data.formats.source import read_source
from mmattn.errors import UserError

DEMO = Path(__file__).resolve().parents[2] / 'demo'


@pytest.fixture(scope='module')
def cells():
    return read_source(BLOOD_CELLS)


def boxes(source):
    """(part, image, class, box, crowd) of each object."""
    found = []
    for name, part in source.parts.items():
        names = {image['id']: image['file_name'].rpartition('/')[2] for image in part.images}
        found += [
            (name, names[each['image_id']], source.classes[each['category_id'] - 1], each['bbox'], each['iscrowd'])
            for each in part.annotations
        ]
    return found


def test_voc_corners_are_the_first_and_last_pixel_counted_from_1(cells):
    expected = []
    for part in ('train', 'val'):
        for stem in sorted((BLOOD_CELLS / f'ImageSets/Main/{part}.txt').read_text().split()):
            for each in ElementTree.parse(BLOOD_CELLS / f'Annotations/{stem}.xml').iter('object'):
                left, top, right, bottom = (
                    int(each.findtext(f'bndbox/{name}')) for name in ('xmin', 'ymin', 'xmax', 'ymax')
                )
                expected.append(
                    (
                        part,
                        f'{stem}.jpg',
                        each.findtext('name'),
                        [left - 1, top - 1, right - left + 1, bottom - top + 1],
                        0,
                    )
                )
    assert boxes(cells) == expected
    assert cells.describe() == (
        'Pascal VOC (Annotations/, ImageSets/): 4 images to train, 2 to validate, 3 classes, boxes'
    )


@pytest.mark.parametrize('format', WRITERS)
def test_same_boxes_whatever_the_format(cells, format, tmp_path):
    WRITERS[format](items_of(cells), tmp_path)
    source = read_source(tmp_path)
    assert source.format == format and source.classes == cells.classes and source.task == 'boxes'
    assert [each[:3] for each in boxes(source)] == [each[:3] for each in boxes(cells)]
    exact = format != 'yolo'  # whose shares are rounded to 64 bits
    for read, written in zip(boxes(source), boxes(cells), strict=True):
        assert read[3] == (written[3] if exact else pytest.approx(written[3], abs=1e-9))
    assert source.findings.total() == 0


@pytest.mark.parametrize('format', sorted(set(WRITERS) - {'yolo'}))
def test_ignored_objects_are_crowds(format, tmp_path):
    items = drawn(4)
    items[1].things[0].crowd = True
    WRITERS[format](items, tmp_path)
    assert [each[4] for each in boxes(read_source(tmp_path))] == [0, 0, 1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize('format', ['coco', 'yolo', 'labelme'])
def test_same_polygons_whatever_the_format(format, tmp_path):
    items = drawn(4, polygons=True)
    WRITERS[format](items, tmp_path)
    source = read_source(tmp_path)
    assert source.task == 'masks'
    polygons = [each['segmentation'][0] for each in source.parts['train' if format == 'yolo' else 'all'].annotations]
    for read, thing in zip(polygons, (thing for item in items for thing in item.things), strict=True):
        assert read == pytest.approx(thing.polygon, abs=1e-9)


@pytest.mark.parametrize(
    'orientation, box', [(5, [5, 10, 20, 30]), (6, [47, 10, 20, 30]), (7, [47, 56, 20, 30]), (8, [5, 56, 20, 30])]
)
def test_boxes_of_the_stored_image_are_turned_with_it(orientation, box, tmp_path):
    item = drawn(1, suffix='.jpg')[0]
    exif = Image.Exif()
    exif[0x0112] = orientation
    item.content = encoded(Image.open(io.BytesIO(item.content)), '.jpg', exif=exif)
    item.things = [Thing('cat', (10, 5, 30, 20))]
    write_voc([item], tmp_path)
    source = read_source(tmp_path)
    (image,), (annotation,) = source.parts['all'].images, source.parts['all'].annotations
    assert (image['width'], image['height']) == (72, 96) and annotation['bbox'] == box


def test_image_turned_by_180_degrees_is_as_the_others_of_its_data_set(tmp_path):
    items = drawn(2, suffix='.jpg')
    for item, orientation in zip(items, (3, 6)):
        exif = Image.Exif()
        exif[0x0112] = orientation
        item.content = encoded(Image.open(io.BytesIO(item.content)), '.jpg', exif=exif)
        item.things = [Thing('cat', (10, 5, 30, 20))]
    for count, box in ((2, [56, 47, 30, 20]), (1, [10, 5, 30, 20])):
        write_voc(items[:count], tmp_path / str(count))
        assert read_source(tmp_path / str(count)).parts['all'].annotations[0]['bbox'] == box


def test_polygon_that_sticks_out_is_cut_off_at_the_edge(tmp_path):
    item = drawn(1)[0]
    item.things = [Thing('cat', (76, 10, 40, 20), [76, 10, 116, 10, 116, 30, 76, 30]), *drawn(polygons=True)[0].things]
    WRITERS['labelme']([item], tmp_path)
    source = read_source(tmp_path)
    annotation = source.parts['all'].annotations[0]
    assert annotation['bbox'] == pytest.approx([76, 10, 20, 20])
    assert sorted(zip(annotation['segmentation'][0][::2], annotation['segmentation'][0][1::2])) == [
        pytest.approx(point) for point in [(76, 10), (76, 30), (96, 10), (96, 30)]
    ]
    assert 'boxes clipped to the image' in source.findings.kinds(doubtful=True)


def test_part_as_coco_has_the_categories_from_1(cells):
    content = cells.parts['val'].coco(cells.classes)
    assert content['categories'] == [dict(id=1, name='Platelets'), dict(id=2, name='RBC'), dict(id=3, name='WBC')]
    assert [image['id'] for image in content['images']] == [1, 2]
    assert [each['id'] for each in content['annotations']] == list(range(1, len(content['annotations']) + 1))


def test_rectangles_as_polygons_are_boxes(tmp_path):
    items = drawn(3)
    for item in items:
        for thing in item.things:
            x, y, width, height = thing.box
            thing.polygon = [x, y, x + width, y, x + width, y + height, x, y + height]
    WRITERS['coco'](items, tmp_path)
    assert read_source(tmp_path).task == 'boxes'


def test_format_that_is_named_is_not_recognised_anew(tmp_path):
    items = drawn(4)
    write_yolo(items, tmp_path)
    write_voc(items, tmp_path)
    assert read_source(tmp_path, 'voc').format == 'voc' and read_source(tmp_path, 'yolo').format == 'yolo'
    with pytest.raises(UserError, match='no format .coca.; give --format one of coco, yolo, voc'):
        read_source(tmp_path, 'coca')
    with pytest.raises(UserError, match='there is no .csv file'):
        read_source(tmp_path, 'csv')


def test_one_file_of_a_pair_is_all_of_the_data_set(tmp_path):
    items = drawn(val=2)
    WRITERS['coco'](items, tmp_path)
    source = read_source(tmp_path / 'annotations' / 'instances_train.json')
    assert set(source.parts) == {'all'}


def test_image_elsewhere_keeps_its_whole_path(tmp_path, monkeypatch):
    items = drawn(3)
    for item in items:
        write(tmp_path / 'pictures' / item.name, item.content)
    write(tmp_path / 'boxes' / 'all.json', coco(items, ['cat', 'dog'], folder='../pictures/'))
    monkeypatch.chdir(tmp_path)
    source = read_source('boxes')
    assert source.parts['all'].root == tmp_path / 'boxes'
    assert source.parts['all'].images[0]['file_name'] == (tmp_path / 'pictures/photo_0.png').as_posix()


def test_source_is_not_written_to(tmp_path):
    write_voc(drawn(3), tmp_path)
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in tmp_path.rglob('*')}
    read_source(tmp_path)
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in tmp_path.rglob('*')} == before


def test_voc_file_whose_name_and_filename_are_different_images_is_of_its_own_name(tmp_path):
    items = drawn(2)
    write_voc(items, tmp_path)
    write(tmp_path / 'Annotations/photo_1.xml', voc_xml(items[1], filename='photo_0.png'))
    source = read_source(tmp_path)
    assert [image['file_name'] for image in source.parts['all'].images] == [
        'JPEGImages/photo_0.png',
        'JPEGImages/photo_1.png',
    ]


@pytest.mark.parametrize('name', ['nuclei_mini', 'coco_cc_mini'])
def test_coco_keeps_every_number_and_crowd(name):
    source = read_source(DEMO / name)
    for part in ('train', 'val'):
        content = json.loads((DEMO / name / f'instances_{part}.json').read_text())
        files = {image['id']: f'images/{image["file_name"].rpartition("/")[2]}' for image in content['images']}
        names = {category['id']: category['name'] for category in content['categories']}
        written = [
            (
                files[each['image_id']],
                names[each['category_id']],
                each['bbox'],
                each['area'],
                each['iscrowd'],
                each['segmentation'],
            )
            for each in content['annotations']
        ]
        files = {image['id']: image['file_name'] for image in source.parts[part].images}
        read = [
            (
                files[each['image_id']],
                source.classes[each['category_id'] - 1],
                each['bbox'],
                each['area'],
                each['iscrowd'],
                each['segmentation'],
            )
            for each in source.parts[part].annotations
        ]
        assert sorted(map(repr, read)) == sorted(map(repr, written))
