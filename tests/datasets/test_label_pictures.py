"""Folders of images and label pictures of any coding: recognised, paired, decoded, and written as mmseg reads them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from label_data import SIZE, coloured, grey, indexed, mask, shuffled, tones, truth, voc, write_pairs
from PIL import Image

from mmattn.data.check import check_dataset
from mmattn.data.formats.label_names import read_names
from mmattn.data.formats.label_pairs import find_pairs
from mmattn.data.formats.source import read_source
from mmattn.data.formats.tree import open_tree
from mmattn.data.label_pictures.coding import Named
from mmattn.data.label_pictures.from_objects import label_picture
from mmattn.data.label_pictures.palette import packed, unpacked, voc_colour
from mmattn.data.label_pictures.raw import count, read_raw
from mmattn.data.write_labels import write_labels
from mmattn.errors import UserError

BLACK = (0, 0, 0)


def written(folder: Path, out: Path) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Labels that the label pictures of a data set have after they were written, and the names of the classes."""
    source = read_source(folder)
    result = write_labels(source, source.parts, out)
    names = [name for part in source.parts for name in (out / f'{part}.txt').read_text().splitlines()]
    labels = [np.asarray(Image.open(out / 'labels' / f'{name}.png')) for name in sorted(names)]
    assert all(Image.open(out / 'labels' / f'{name}.png').mode == 'P' for name in names)
    assert (out / 'classes.txt').read_text().splitlines() == list(result.classes)
    return labels, result.classes


@pytest.mark.parametrize(
    'code, lists, expected',
    [
        (grey, {}, ('class 0', 'class 1', 'class 2')),
        (indexed, {}, ('class 0', 'class 1', 'class 2')),
        (shuffled, {}, ('background', 'class 1', 'class 2')),
        (coloured, {}, ('background', 'class 1', 'class 2')),
        (voc, {}, ('background', 'class 1', 'class 2')),
        (tones, {}, ('class 0', 'class 100', 'class 200')),
        (grey, {'classes.txt': 'sky\nroad\nnot there\ntree\n'}, ('sky', 'road', 'not there', 'tree')),
        (grey, {'classes.txt': 'road\ntree\n'}, ('background', 'road', 'tree')),
        (tones, {'classes.txt': 'sky\nroad\ntree\n'}, ('sky', 'road', 'tree')),
        (voc, {'names.txt': 'sky\nroad\ntree\ncar\n'}, ('sky', 'road', 'tree', 'car')),
        (grey, {'_classes.csv': 'Pixel Value, Class\n0, sky\n1, road\n2, tree\n'}, ('sky', 'road', 'tree')),
        (coloured, {'labelmap.txt': '# label:color_rgb\nsky:0,0,0::\nroad:10,90,240::\ntree:90,200,40::\n'},
         ('sky', 'road', 'tree')),
        (grey, {'labelmap.txt': '1 road\n2 tree\n'}, ('background', 'road', 'tree')),
        (indexed, {'labelmap.txt': 'tree:90,200,40::\nroad:10,90,240::\n'}, ('background', 'tree', 'road')),
        (indexed, {'labelmap.txt': 'sky 1 2 3\nroad 4 5 6\ntree 7 8 9\n'}, ('sky', 'road', 'tree')),
        (coloured, {'class_dict.csv': 'name,r,g,b\nroad,10,90,240\ntree,90,200,40\n'}, ('background', 'road', 'tree')),
        (coloured, {'label_colors.txt': '0 0 0 sky\n10 90 240 road\n90 200 40 tree\n'}, ('sky', 'road', 'tree')),
    ],
)  # fmt: skip
def test_labels_are_those_of_the_coding(code, lists, expected, tmp_path):
    labels = write_pairs(tmp_path / 'data', code)
    for name, text in lists.items():
        (tmp_path / 'data' / name).write_text(text)
    found, classes = written(tmp_path / 'data', tmp_path / 'out')
    assert classes == expected
    order = np.array([0, 2, 1] if classes == ('background', 'tree', 'road') else [0, 1, 2])
    for one, other in zip(found, labels, strict=True):
        assert np.array_equal(one, order[other])


@pytest.mark.parametrize('suffix, options', [('png', {}), ('jpg', dict(quality=85)), ('gif', {})])
def test_masks_of_dark_and_light_pixels_have_two_classes(suffix, options, tmp_path):
    names = lambda number: (f'images/{number}.png', f'masks/{number}.{suffix}')  # noqa: E731
    labels = write_pairs(tmp_path / 'data', mask, classes=2, names=names, **options)
    found, classes = written(tmp_path / 'data', tmp_path / 'out')
    assert classes == ('background', 'class 1')
    assert all(np.array_equal(one, other) for one, other in zip(found, labels, strict=True))


def test_255_beside_labels_is_ignored_and_is_a_class_beside_tones(tmp_path):
    def bordered(labels):
        labels = labels.copy()
        labels[0] = 255
        return Image.fromarray(labels)

    write_pairs(tmp_path / 'labels', bordered)
    found, classes = written(tmp_path / 'labels', tmp_path / 'out')
    assert classes == ('class 0', 'class 1', 'class 2') and all((labels[0] == 255).all() for labels in found)
    write_pairs(tmp_path / 'tones', lambda labels: Image.fromarray(np.array([0, 120, 255], np.uint8)[labels]))
    assert read_source(tmp_path / 'tones').classes == ('class 0', 'class 120', 'class 255')


def test_border_of_pascal_voc_and_unnamed_colours_are_ignored(tmp_path):
    def bordered(labels):
        picture = np.asarray(voc(labels)).copy()
        picture[0] = (224, 224, 192)
        return Image.fromarray(picture)

    write_pairs(tmp_path / 'data', bordered)
    found, classes = written(tmp_path / 'data', tmp_path / 'out')
    assert classes == ('background', 'class 1', 'class 2') and all((labels[0] == 255).all() for labels in found)
    (tmp_path / 'data' / 'labelmap.txt').write_text('sky 0 0 0\nroad 128 0 0\n')
    source = read_source(tmp_path / 'data')
    assert source.classes == ('sky', 'road')
    doubts = source.findings.kinds(doubtful=True)['colours without a name (their pixels are ignored)']
    assert doubts[0].startswith('(0, 128, 0) (')


@pytest.mark.parametrize(
    'code, text', [(coloured, 'sky 0 0 0\ntree 10 90 240\ntree 90 200 40\n'), (grey, '0 sky\n1 tree\n2 tree\n')]
)
def test_classes_of_one_name_are_one_class(code, text, tmp_path):
    labels = write_pairs(tmp_path / 'data', code)
    (tmp_path / 'data' / 'labelmap.txt').write_text(text)
    found, classes = written(tmp_path / 'data', tmp_path / 'out')
    assert classes == ('sky', 'tree')
    assert all(np.array_equal(one, other > 0) for one, other in zip(found, labels, strict=True))


def doubts_of(folder: Path) -> dict[str, list[str]]:
    return read_source(folder).findings.kinds(doubtful=True)


def test_pixels_beyond_the_list_of_names_are_ignored_and_counted(tmp_path):
    write_pairs(tmp_path)
    (tmp_path / 'classes.txt').write_text('sky\nroad\ntree\n')
    for value in (7, 200):
        labels = truth(1)
        labels[0, 0] = value
        Image.fromarray(labels).save(tmp_path / 'labels' / '1.png')
        source = read_source(tmp_path)
        assert source.classes == ('sky', 'road', 'tree') and source.parts['all'].images[1]['pixels'][255] == 1
        assert doubts_of(tmp_path) == {
            'values beyond the list of names (their pixels are ignored)': [f'labels/1.png: {value} (1 pixel)']
        }


def test_masks_of_two_kinds_in_a_folder_are_said_and_ignored_borders_are_not(tmp_path):
    write_pairs(tmp_path, classes=2)
    mask(truth(2, 2)).save(tmp_path / 'labels' / '2.png')
    (kind, (detail,)) = next(iter(doubts_of(tmp_path).items()))
    assert kind.startswith('masks of 0 and 255 among') and detail.startswith('labels/2.png; others, as labels/0.png, ')
    labels = truth(1, 2)
    labels[0] = 255
    Image.fromarray(labels).save(tmp_path / 'labels' / '1.png')
    assert not doubts_of(tmp_path)


def test_smoothed_masks_have_two_classes_and_are_said(tmp_path):
    def smoothed(labels):
        picture = np.asarray(mask(labels)).copy()
        picture[0, :40] = picture[1, :40] = picture[2, :40] = np.arange(40, 240, 5)
        return Image.fromarray(picture)

    write_pairs(tmp_path, smoothed, classes=2)
    assert read_source(tmp_path).classes == ('background', 'class 1')
    assert [kind[:26] for kind in doubts_of(tmp_path)] == ['masks that look smoothed (']


def test_wholly_ignored_label_pictures_are_said(tmp_path):
    write_pairs(tmp_path)
    Image.fromarray(truth(1) * 0 + 255).save(tmp_path / 'labels' / '1.png')
    assert doubts_of(tmp_path) == {'label pictures whose pixels are all ignored': ['labels/1.png']}
    whole, part = check_dataset(tmp_path)
    assert whole.problems.total() == 1 and list(part.lines(5))[-1] == '  no further problems'


def test_smoothed_edges_of_colours_are_no_classes(tmp_path):
    def smoothed(labels):
        large = coloured(labels).resize((4 * SIZE[0], 4 * SIZE[1]), Image.Resampling.NEAREST)
        picture = np.asarray(large).copy()
        picture[0, :40] = [[(number * 6) % 256, 1, number % 256] for number in range(40)]
        return Image.fromarray(picture)

    write_pairs(tmp_path / 'data', smoothed)
    for path in (tmp_path / 'data' / 'images').iterdir():
        picture = Image.open(path)
        picture.resize((4 * SIZE[0], 4 * SIZE[1])).save(path)
    source = read_source(tmp_path / 'data')
    assert source.classes == ('background', 'class 1', 'class 2')
    assert any('smoothed edges' in kind for kind in source.findings.kinds(doubtful=True))


@pytest.mark.parametrize(
    'code, said',
    [
        (lambda labels: Image.effect_noise(SIZE, 100).convert('RGB'), 'no annotations that are known'),
        (lambda labels: Image.fromarray(labels * 0), 'the same class everywhere'),
        (
            lambda labels: Image.fromarray(np.arange(labels.size, dtype=np.uint16).reshape(labels.shape)),
            'no annotations',
        ),
    ],
)
def test_pictures_that_are_no_label_pictures_are_refused_in_a_sentence(code, said, tmp_path):
    write_pairs(tmp_path, code)
    with pytest.raises(UserError) as error:
        read_source(tmp_path)
    assert said in str(error.value) and '\n' not in str(error.value)


def test_pictures_in_folders_of_labels_that_are_not_read_are_named(tmp_path):
    write_pairs(tmp_path / 'names', names=lambda number: (f'images/a{number}.png', f'labels/b{number}.png'))
    with pytest.raises(UserError, match=r'has 4 pictures in labels/, none with .* image in images/ \(b0, a0\)'):
        read_source(tmp_path / 'names')

    def smooth(labels):
        return coloured(labels).resize((300, 200), Image.Resampling.BILINEAR)

    write_pairs(tmp_path / 'jpeg', smooth, names=lambda number: (f'images/{number}.png', f'labels/{number}.jpg'))
    with pytest.raises(UserError, match='as JPEG .labels/0.jpg., which changes colours .* save them as PNG'):
        read_source(tmp_path / 'jpeg')


@pytest.mark.parametrize('format', ['labels', None])
def test_numbers_of_objects_are_refused(format, tmp_path):
    def numbered(labels):
        return Image.fromarray((np.arange(labels.size).reshape(labels.shape) // 3).astype(np.uint16))

    write_pairs(tmp_path, numbered)
    with pytest.raises(UserError, match='numbers of objects' if format else 'no annotations'):
        read_source(tmp_path, format)


LAYOUTS = {
    'parts inside': lambda number: (f'images/{part(number)}/{number}.jpg', f'labels/{part(number)}/{number}.png'),
    'parts outside': lambda number: (f'{part(number)}/images/{number}.png', f'{part(number)}/masks/{number}.png'),
    'names of folders': lambda number: (f'{part(number)}/{number}.png', f'{part(number)}_masks/{number}.png'),
    'camvid': lambda number: (f'{part(number)}/{number}.png', f'{part(number)}annot/{number}.png'),
    'mmseg': lambda number: (f'img_dir/{part(number)}/{number}.jpg', f'ann_dir/{part(number)}/{number}.png'),
    'the same names in both parts': lambda number: (
        f'images/{part(number)}/{number % 2}.png',
        f'annotations/{part(number)}/{number % 2}.png',
    ),
    'endings beside the images': lambda number: (f'{part(number)}/{number}.jpg', f'{part(number)}/{number}_mask.png'),
    'endings of both': lambda number: (f'{part(number)}/{number}_sat.jpg', f'{part(number)}/{number}_mask.png'),
    'an ending in folders': lambda number: (
        f'{part(number)}/images/{number}.png',
        f'{part(number)}/gt/{number}_gt.png',
    ),
    'an ending that both have': lambda number: (
        f'{part(number)}/images/{number}_l.png',
        f'{part(number)}/masks/{number}_l.png',
    ),
    'cityscapes': lambda number: (
        f'leftImg8bit/{part(number)}/ulm/ulm_{number}_leftImg8bit.png',
        f'gtFine/{part(number)}/ulm/ulm_{number}_gtFine_labelTrainIds.png',
    ),
    'lists': lambda number: (f'JPEGImages/{number}.jpg', f'SegmentationClass/{number}.png'),
}  # fmt: skip


def part(number: int) -> str:
    return 'train' if number < 2 else 'val'


@pytest.mark.parametrize('layout', LAYOUTS)
def test_folders_of_all_kinds_are_paired_and_divided(layout, tmp_path):
    write_pairs(tmp_path, names=LAYOUTS[layout])
    if layout == 'lists':
        (tmp_path / 'ImageSets' / 'Segmentation').mkdir(parents=True)
        for name, numbers in (('train', '0\n1\n'), ('val', '2\n3\n')):
            (tmp_path / 'ImageSets' / 'Segmentation' / f'{name}.txt').write_text(numbers)
    source = read_source(tmp_path)
    assert source.format == 'labels' and source.task == 'semantic' and not source.findings.total()
    assert {name: len(part.images) for name, part in source.parts.items()} == dict(train=2, val=2)
    for number in range(4):
        image, labels = LAYOUTS[layout](number)
        entry = next(each for part in source.parts.values() for each in part.images if each['file_name'] == image)
        assert entry['labels'] == labels
        assert entry['pixels'] == {label: int((truth(number) == label).sum()) for label in range(3)}


def test_images_without_labels_and_labels_without_images_are_named(tmp_path):
    write_pairs(tmp_path)
    (tmp_path / 'labels' / '1.png').rename(tmp_path / 'labels' / 'other.png')
    Image.open(tmp_path / 'labels' / '2.png').resize((20, 20)).save(tmp_path / 'labels' / '2.png')
    source = read_source(tmp_path)
    assert len(source.parts['all'].images) == 2
    found = source.findings.kinds(left_out=True)
    assert found['images without a label picture (left out)'] == ['images/1.png']
    assert found['label pictures without an image (passed over)'] == ['labels/other.png']
    assert found['label pictures of another size than their image (left out)'] == [
        'labels/2.png: 20 x 20, the image is 48 x 36'
    ]


def test_folders_of_classes_that_sound_like_masks_stay_classes(tmp_path):
    for name in ('glasses', 'mask'):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.effect_noise((32, 32), 90 + number).convert('RGB').save(tmp_path / name / f'{number}.png')
    assert read_source(tmp_path).format == 'folders'


def test_polygons_are_read_before_label_pictures_which_are_said(tmp_path):
    source = read_source(Path(__file__).parents[2] / 'demo' / 'nuclei_mini')
    assert source.format == 'coco' and any('--format labels' in note for note in source.notes)


@pytest.mark.parametrize(
    'text, expected',
    [
        ('class 1\nclass 2\n', [Named('class 1'), Named('class 2')]),
        ('traffic light\nroad\n', [Named('traffic light'), Named('road')]),
        ('0: sky\n1: road\n', [Named('sky', 0), Named('road', 1)]),
        ('sky,0\nroad,7\n', [Named('sky', 0), Named('road', 7)]),
        ('Name\tR\tG\tB\nsky\t1\t2\t3\n', [Named('sky', colour=packed((1, 2, 3)))]),
        (
            '64 128 64\tAnimal\n192 0 128\tArchway\n',
            [Named('Animal', colour=0x408040), Named('Archway', colour=0xC00080)],
        ),
        ('', []),
    ],
)
def test_lists_of_names(text, expected, tmp_path):
    (tmp_path / 'classes.txt').write_text(text)
    assert read_names(tmp_path / 'classes.txt') == expected


def test_colours_of_pascal_voc():
    assert [voc_colour(label) for label in (0, 1, 2, 3, 8, 255)] == [
        BLACK, (128, 0, 0), (0, 128, 0), (128, 128, 0), (64, 0, 0), (224, 224, 192)
    ]  # fmt: skip
    assert unpacked(packed((1, 2, 3))) == (1, 2, 3)


def test_pictures_of_all_modes_are_counted(tmp_path):
    labels = truth(1)
    for mode in ('L', 'LA', 'RGB', 'RGBA', 'I', 'F', '1'):
        Image.fromarray(labels).convert(mode).save(tmp_path / f'{mode}.tif')
        content = count(read_raw(tmp_path / f'{mode}.tif'))
        assert not content.colours and content.size == SIZE and sum(content.counts.values()) == labels.size
        if mode != '1':
            assert content.counts == {label: int((labels == label).sum()) for label in range(3)}


def test_damaged_label_picture_is_left_out(tmp_path):
    write_pairs(tmp_path)
    content = (tmp_path / 'labels' / '0.png').read_bytes()
    (tmp_path / 'labels' / '0.png').write_bytes(content[: len(content) // 2])
    source = read_source(tmp_path)
    assert source.lost_images == 1 and len(source.parts['all'].images) == 3


def test_images_of_several_suffixes_have_label_pictures_of_their_own(tmp_path):
    suffixes = ('png', 'jpg', 'jpg', 'jpg')
    write_pairs(tmp_path / 'data', names=lambda number: (f'images/{number}.{suffixes[number]}', f'labels/{number}.png'))
    source = read_source(tmp_path / 'data')
    result = write_labels(source, source.parts, tmp_path / 'out')
    assert result.suffix == ''
    assert sorted(path.name for path in (tmp_path / 'out' / 'labels' / 'images').iterdir()) == [
        '0.png.png', '1.jpg.png', '2.jpg.png', '3.jpg.png'
    ]  # fmt: skip


def test_images_elsewhere_are_named_from_their_common_folder(tmp_path):
    write_pairs(tmp_path / 'data', names=lambda number: (f'images/{number}.png', f'labels/{number}.png'))
    source = read_source(tmp_path / 'data')
    for image in source.parts['all'].images:
        image['file_name'] = str(tmp_path / 'data' / image['file_name'])
    result = write_labels(source, source.parts, tmp_path / 'out')
    assert result.root == tmp_path / 'data' / 'images' and (tmp_path / 'out' / 'labels' / '0.png').is_file()


def test_pairs_are_found_by_links_and_instances_are_passed_over(tmp_path):
    write_pairs(tmp_path)
    (tmp_path / 'SegmentationObject').mkdir()
    os.link(tmp_path / 'labels' / '0.png', tmp_path / 'SegmentationObject' / '0.png')
    pairs = find_pairs(open_tree(tmp_path))
    assert len(pairs.found) == 4 and not pairs.without and not pairs.loose and not pairs.doubtful


def test_check_of_a_folder_shows_pixels_of_each_class(tmp_path):
    write_pairs(tmp_path, coloured)
    (tmp_path / 'class_dict.csv').write_text('name,r,g,b\nroad,10,90,240\ntree,90,200,40\ncar,1,1,1\n')
    first, second = check_dataset(tmp_path)
    assert 'the names of the classes are from class_dict.csv' in first.notes
    pixels = sum(truth(number).size for number in range(4))
    assert [row[0] for row in second.table] == ['class', 'background', 'road', 'tree', 'car']
    assert sum(row[2] for row in second.table[1:]) == pixels
    assert second.problems.kinds(doubtful=True) == {'classes that never occur': ["'car'"]}


def annotation(category: int, box: tuple[int, int, int, int], **more: object) -> dict:
    left, top, right, bottom = box
    return dict(
        category_id=category, segmentation=[[left, top, right, top, right, bottom, left, bottom]], iscrowd=0, **more
    )


def test_small_objects_are_drawn_above_large_ones_and_crowds_below_all():
    pytest.importorskip('pycocotools')
    large, small = annotation(7, (0, 0, 20, 20)), annotation(3, (5, 5, 10, 10))
    crowd = {**annotation(3, (15, 0, 40, 40)), 'iscrowd': 1}
    labels = label_picture([small, crowd, large, annotation(9, (30, 0, 40, 5))], {7: 1, 3: 2}, (40, 40))
    assert labels[7, 7] == 2 and labels[2, 2] == 1 and labels[10, 18] == 1 and labels[10, 25] == 255
    assert labels[2, 35] == 255 and labels[35, 2] == 0
    with pytest.raises(ValueError, match='from 1 to 254'):
        label_picture([], {1: 0}, (4, 4))
