"""Damaged files in COCO's format: each kind of damage is found, and stops a run where mmdet or pycocotools would fail.

The tables say what a run does with each: 'stops' (it raises, hangs, learns from nothing, or is wrong in silence),
'left out' (mmdet leaves the object out), 'doubtful' (it goes on).
"""

from __future__ import annotations

import copy
import json
import os
import re
from pathlib import Path

import pytest
from coco_damage import ANYTHING, BOXES, CHANGES, CROWDS, FIELDS, MASKS, NAN, RUNS, SQUARE, damaged
from coco_data import CLASSES, settings, sound, write

from mmattn.data.check import check_of
from mmattn.data.findings import DOUBTFUL, LEFT_OUT, STOPS


def found(folder, content, *, masks=True, **others):
    """Effects by the kinds of problems, and the report."""
    write(folder, content)
    report = check_of(settings(folder, masks=masks, **others)).run(workers=1)
    problems = report.problems
    return {
        **dict.fromkeys(problems.kinds(), STOPS),
        **dict.fromkeys(problems.kinds(left_out=True), LEFT_OUT),
        **dict.fromkeys(problems.kinds(doubtful=True), DOUBTFUL),
    }, report


def test_sound_file_has_no_problem(tmp_path):
    for masks in (True, False):
        for test_mode in (True, False):
            kinds, report = found(tmp_path, sound(), masks=masks, test_mode=test_mode)
            assert (kinds, report.images, report.objects) == ({}, 2, 2)


@pytest.mark.parametrize('value', ANYTHING.values(), ids=ANYTHING)
@pytest.mark.parametrize(('key', 'field'), FIELDS)
def test_value_of_another_type_never_passes_an_evaluation(tmp_path, key, field, value):
    kinds, report = found(tmp_path, damaged(key, field, value), test_mode=True)
    if (field, value) == ('iscrowd', True):
        assert not kinds
    elif (key, field) in (('annotations', 'image_id'), ('annotations', 'category_id')) and isinstance(value, str):
        assert set(kinds.values()) == {LEFT_OUT}  # of an unknown image or category
    elif (field, value) == ('id', 'abc') and key != 'annotations':
        assert STOPS in kinds.values() and 'annotations of unknown ' + key in kinds
    else:
        assert STOPS in kinds.values()
    assert all(detail.isprintable() for kind in report.problems.lines() for detail in [kind])


@pytest.mark.parametrize(('box', 'kind', 'effect'), BOXES)
@pytest.mark.parametrize('test_mode', [True, False])
def test_boxes(tmp_path, box, kind, effect, test_mode):
    kinds, report = found(tmp_path, damaged('annotations', 'bbox', box), masks=False, test_mode=test_mode)
    (name,) = (each for each in kinds if each.startswith(kind))
    assert kinds[name] == effect
    assert report.objects == 1 + (effect != LEFT_OUT and 'four' not in kind)
    assert 'annotation 1 of image 1 (a.png)' in '\n'.join(report.problems.lines())


def test_boxes_with_right_and_bottom_instead_of_width_and_height(tmp_path):
    content = sound()
    for entry, box in zip(content['annotations'], ([30, 15, 39, 25], [25, 12, 36, 29], [22, 20, 40, 30]), strict=True):
        entry['bbox'] = box
    kind = 'boxes that look like [left, top, right, bottom]'
    assert found(tmp_path, content, masks=False)[0][kind] == STOPS
    content['annotations'][0]['bbox'] = [30, 15, 9, 10]
    assert kind not in found(tmp_path, content, masks=False)[0]


@pytest.mark.parametrize(('value', 'trained', 'evaluated'), CROWDS)
def test_iscrowd(tmp_path, value, trained, evaluated):
    content = damaged('annotations', 'iscrowd', value)
    assert list(found(tmp_path, content)[0].values()) == ([trained] if trained else [])
    assert list(found(tmp_path, content, test_mode=True)[0].values()) == ([evaluated] if evaluated else [])


@pytest.mark.parametrize(('mask', 'kind', 'trained', 'evaluated'), MASKS)
def test_masks(tmp_path, mask, kind, trained, evaluated):
    content = damaged('annotations', 'segmentation', mask)
    for test_mode, effect in ((False, trained), (True, evaluated)):
        kinds, report = found(tmp_path, content, test_mode=test_mode)
        (name,) = kinds
        assert name.startswith(kind) and kinds[name] == effect
        assert 'annotation 1 of image 1 (a.png)' in '\n'.join(report.problems.lines())
        assert report.objects == 1 + (effect == DOUBTFUL)
        # Where no mask is loaded, they are left alone.
        assert found(tmp_path, content, masks=False, test_mode=test_mode)[0] == {}


def test_compressed_masks_are_read_as_pycocotools_writes_them(tmp_path):
    masks = pytest.importorskip('pycocotools.mask')
    from mmattn.data.coco.rle import run_lengths

    counts = sound()['annotations'][2]['segmentation']['counts']
    for runs in (counts, [0, 1200], [1, 2, 1, 700, 3, 90, 403], [1200]):
        packed = masks.frPyObjects(dict(RUNS, counts=runs), 30, 40)['counts'].decode()
        assert run_lengths(packed).tolist() == runs
        content = damaged('annotations', 'segmentation', dict(RUNS, counts=packed), index=2)
        assert found(tmp_path, content)[0].keys() <= {'masks without a pixel'}


def test_masks_of_no_object_are_usable(tmp_path):
    content = sound()
    for each in content['annotations']:
        each['segmentation'] = [[]]
    kinds, report = found(tmp_path, content)
    assert report.objects == 0 and kinds['objects missing'] == DOUBTFUL
    assert 'with its mask' in '\n'.join(report.problems.lines())


def test_polygon_of_pairs_of_numbers(tmp_path):
    content = damaged('annotations', 'segmentation', [[[2, 2], [22, 2], [22, 22], [2, 22]]])
    assert found(tmp_path, content)[0] == {'masks without a polygon of three points': LEFT_OUT}
    assert found(tmp_path, content, test_mode=True)[0] == {'polygons with what is no finite number': STOPS}


@pytest.mark.parametrize('polygon', [[*SQUARE[:6], 1e308], [*SQUARE[:6], 'a'], [5, NAN], []])
def test_polygons_that_only_pycocotools_reads_stop_an_evaluation(tmp_path, polygon):
    content = damaged('annotations', 'segmentation', [SQUARE, polygon])
    assert set(found(tmp_path, content)[0].values()) == {DOUBTFUL}
    assert set(found(tmp_path, content, test_mode=True)[0].values()) == {STOPS}


def test_masks_of_objects_that_mmdet_leaves_out_stop_an_evaluation_of_masks(tmp_path):
    for change in (dict(bbox=[5, 5, 0, 5]), dict(area=0), dict(ignore=1)):
        content = sound()
        content['annotations'][0].update(change, segmentation=[])
        assert STOPS not in found(tmp_path, content)[0].values()
        assert found(tmp_path, content, test_mode=True)[0]['annotations without segmentation (the run fails on them)']


def test_run_length_encoded_masks_are_left_out_with_polygons_only(tmp_path):
    write(tmp_path, sound())
    dataset = settings(tmp_path)
    dataset['pipeline'][1]['poly2mask'] = False
    assert list(check_of(dataset).run(workers=1).problems.kinds(left_out=True)) == [
        'masks that are no polygons, with poly2mask=False'
    ]


def test_masks_are_looked_at_where_a_nested_transform_loads_them(tmp_path):
    write(tmp_path, damaged('annotations', 'segmentation', []))
    dataset = settings(tmp_path, masks=False)
    load = dict(type='mmdet.datasets.transforms.LoadAnnotations', with_mask=True)
    choice = dict(type='RandomChoice', transforms=[[dict(type='RandomFlip')], [load]])
    dataset['pipeline'] = [dict(type='LoadImageFromFile'), choice]
    assert check_of(dataset).run(workers=1).problems.kinds()


@pytest.mark.parametrize(('change', 'kind', 'trained', 'evaluated'), CHANGES)
def test_ids_sizes_and_lists(tmp_path, change, kind, trained, evaluated):
    content = sound()
    change(content)
    for test_mode, effect in ((False, trained), (True, evaluated)):
        kinds, _ = found(tmp_path, content, test_mode=test_mode)
        if kind is None:
            assert kinds == {}
        else:
            name = max((each for each in kinds if each.startswith(kind)), key=lambda each: kinds[each] == effect)
            assert kinds[name] == effect
            assert effect == STOPS or STOPS not in kinds.values()


@pytest.mark.parametrize(
    ('classes', 'kind', 'trained', 'evaluated'),
    [
        (('cat', 'dog', 'cow'), 'classes of the config that the annotations lack', DOUBTFUL, STOPS),
        (('cat', 'cow', 'dog'), 'classes of the config that the annotations lack, so that labels', STOPS, STOPS),
        (('Cat', 'dog'), 'classes of the config that the annotations lack, so that labels', STOPS, STOPS),
        (('dog', 'cat'), 'classes in another order', STOPS, STOPS),
        (('cat', 'dog', 'dog'), 'duplicated classes of the config', STOPS, STOPS),
        (('cat', 'dog', 1), 'classes of the config that are no text', STOPS, STOPS),
        (('cat', 'dog', None), 'classes of the config that are no text', STOPS, STOPS),
        (('cat', 'dog', '\ud800'), 'classes of the config that are no text', STOPS, STOPS),
        (('ant', 'bee'), 'annotations without a class of the config', STOPS, STOPS),
        (('dog',), 'categories that are no class of the config', LEFT_OUT, LEFT_OUT),
    ],
)
def test_classes_of_the_config(tmp_path, classes, kind, trained, evaluated):
    for test_mode, effect in ((False, trained), (True, evaluated)):
        kinds, report = found(tmp_path, sound(), metainfo=dict(classes=classes), test_mode=test_mode)
        assert kinds[next(each for each in kinds if each.startswith(kind))] == effect
    assert report.objects == len(set(classes) & set(CLASSES))


@pytest.mark.parametrize(('name', 'effect'), [(None, STOPS), (1, DOUBTFUL), ('\ud800', DOUBTFUL), ([], STOPS)])
def test_names_of_other_categories(tmp_path, name, effect):
    content = sound()
    content['categories'].append(dict(id=3, name=name))
    kinds, report = found(tmp_path, content)
    assert kinds['names of categories that are no text'] == effect
    assert all(line.isprintable() for line in report.lines(None))


TEXT = json.dumps(sound())
DEEP = '[' * 600 + ']' * 600


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        ('', 'empty'),
        ('[]', 'not an object'),
        ('7', 'not an object'),
        (TEXT[:-40], 'Expecting'),
        ('\ufeff' + TEXT, 'BOM'),
        (TEXT.encode('utf-16'), 'UTF-8'),
        (TEXT.replace('cat', 'c\u00e4t').encode('latin-1'), 'UTF-8'),
        (TEXT.replace('{"images"', '{"info": ' + '[' * 99999 + ']' * 99999 + ', "images"'), 'too deep'),
        (TEXT.replace('{"images"', '{"info": ' + DEEP + ', "images"'), 'deep'),
        (TEXT.replace('"area": 400', '"area": ' + '9' * 5000), 'digits'),
    ],
)
def test_files_that_cannot_be_read(tmp_path, content, said):
    kinds, report = found(tmp_path, content)
    assert kinds['annotations that cannot be read'] == STOPS
    assert said in '\n'.join(report.problems.lines())


def test_deep_mask_stops_a_run_whether_it_is_loaded_or_not(tmp_path):
    content = TEXT.replace('"segmentation": [[2, 2, 22, 2', f'"segmentation": {DEEP}, "x": [[2, 2, 22, 2')
    for masks in (True, False):
        assert STOPS in found(tmp_path, content, masks=masks)[0].values()


def test_annotations_that_are_no_file(tmp_path):
    path = write(tmp_path, sound())
    for make, said in ((os.mkfifo, 'a pipe'), (os.mkdir, 'a folder')):
        path.unlink()
        make(path)
        report = check_of(settings(tmp_path)).run(workers=1)
        assert said in '\n'.join(report.problems.lines())
        assert list(report.problems.kinds()) == ['annotations that cannot be read']
        path.rmdir() if path.is_dir() else path.unlink()
        path.touch()
    path.unlink()
    assert list(check_of(settings(tmp_path)).run(workers=1).problems.kinds()) == ['annotation files missing']


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (dict(ann_file=['a.json', 'b.json']), 'ann_file is a list.*ConcatDataset'),
        (dict(ann_file=None), 'ann_file is missing'),
        (dict(ann_file=''), 'ann_file is missing'),
        (dict(ann_file=7), 'ann_file is no path'),
        (dict(ann_file=Path('instances.json')), 'write it as text'),
        (dict(data_root=['a']), 'data_root is a list'),
        (dict(data_prefix=None), 'data_prefix is None'),
        (dict(data_prefix='images/'), "data_prefix is 'images/'"),
        (dict(data_prefix=['a', 'b']), 'data_prefix is .*ConcatDataset'),
        (dict(data_prefix=dict(img=['a', 'b'])), r"data_prefix\['img'\] is no text.*ConcatDataset"),
        (dict(data_prefix=dict(img=None)), r"data_prefix\['img'\] is no text"),
        (dict(data_prefix=dict(img_path='images/')), "no 'img'"),
        (dict(metainfo=['cat']), 'metainfo is no dict'),
        (dict(metainfo=dict(classes=7)), 'classes is no list'),
        (dict(metainfo=dict(classes=())), 'classes is empty'),
        (dict(metainfo=dict(CLASSES=('cat', 'dog'))), "'classes'"),
    ],
)
def test_settings_that_mmdet_cannot_read(tmp_path, change, said):
    write(tmp_path, sound())
    report = check_of({**settings(tmp_path), **change}).run(workers=1)
    ((kind, details),) = report.problems.kinds().items()
    assert kind == 'settings that the data set cannot read'
    assert re.search(said, details[0])


def test_absolute_path_object_is_read(tmp_path):
    path = write(tmp_path, copy.deepcopy(sound()))
    assert not check_of({**settings(tmp_path), 'ann_file': path}).run(workers=1).problems.total()
