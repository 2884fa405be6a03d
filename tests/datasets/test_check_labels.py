"""The checks of semantic segmentation's data sets in a config: pairs, sizes, channels, labels."""

from __future__ import annotations

from pathlib import Path

import mmattn  # noqa: F401  isort: skip  before mmseg, which imports mmcv's operators
import numpy as np
import pytest
from label_data import coloured, grey, indexed, mask, shuffled, tones, truth, write_pairs
from mmengine.config import Config
from PIL import Image

from mmattn.checks.annotations import check_annotations
from mmattn.data.check import check_config, check_of
from mmattn.errors import UserError

pytest.importorskip('mmseg')

CLASSES = ('sky', 'road', 'tree')
LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]


def dataset(folder: Path, **settings: object) -> dict:
    """Settings of a data set of mmsegmentation."""
    return (
        dict(
            type='BaseSegDataset',
            data_root=str(folder),
            data_prefix=dict(img_path='images', seg_map_path='labels'),
            img_suffix='.png',
            metainfo=dict(classes=CLASSES),
            pipeline=LOAD,
        )
        | settings
    )


def report_of(settings: dict):
    check = check_of(settings)
    assert check is not None
    return check.run()


def test_sound_data_set_has_no_problems_and_a_balance(tmp_path):
    write_pairs(tmp_path)
    report = report_of(dataset(tmp_path))
    assert report.problems.total() == 0, list(report.lines(None))
    pixels = [sum(int((truth(number) == label).sum()) for number in range(4)) for label in range(3)]
    assert [(row[0], row[1], row[2]) for row in report.table[1:]] == [
        (name, 4, count) for name, count in zip(CLASSES, pixels)
    ]
    assert report.images == 4 and report.objects == sum(pixels)
    assert 'classes: 3; label pictures: 4; ignored pixels: 0.0 %' in report.notes


def remove(name: str):
    return lambda folder: (folder / name).unlink()


def resized(folder: Path) -> None:
    Image.open(folder / 'labels' / '1.png').resize((20, 30)).save(folder / 'labels' / '1.png')


def cut(folder: Path) -> None:
    content = (folder / 'labels' / '1.png').read_bytes()
    (folder / 'labels' / '1.png').write_bytes(content[:-40])


def labels_of_16_bits(folder: Path) -> None:
    Image.fromarray(truth(1).astype(np.uint16) * 300).save(folder / 'labels' / '1.png')


def all_ignored(folder: Path) -> None:
    Image.fromarray(truth(1) * 0 + 255).save(folder / 'labels' / '1.png')


def copied(folder: Path) -> None:
    (folder / 'labels' / 'other.png').write_bytes((folder / 'labels' / '1.png').read_bytes())


STOPS = [
    (remove('labels/1.png'), {}, 'label pictures missing', 'labels/1.png, of 1.png'),
    (remove('images/1.png'), dict(ann_file='list.txt'), 'images missing', 'images/1.png'),
    (resized, {}, 'label pictures of another size than their image', '20 x 30, the image is 48 x 36'),
    (cut, {}, 'label pictures that do not decode', 'labels/1.png'),
    (labels_of_16_bits, {}, 'values that are no labels', '300, 600; labels are 0 to 255'),
    (None, dict(seg_map_suffix='_mask.png'), 'label pictures missing', "seg_map_suffix='_mask.png'"),
    (None, dict(img_suffix='.jpg'), 'images missing', "img_suffix='.jpg'; there are 0.png"),
    (None, dict(ann_file='none.txt'), 'annotation files missing', 'none.txt'),
    (None, dict(data_prefix=dict(img_path='imgs', seg_map_path='labels')), 'image folders missing', 'imgs'),
    (None, dict(data_prefix=dict(img_path='images', seg_map_path='gt')), 'folders of label pictures missing', 'gt'),
    (None, dict(metainfo=dict(classes=CLASSES[:2])), 'labels beyond the classes', 'label 2 ('),
    (None, dict(metainfo=dict(classes='sky')), 'settings that the data set cannot read', 'sky'),
    (None, dict(no_such_option=1), 'settings that the data set cannot read', 'no_such_option'),
]  # fmt: skip


@pytest.mark.parametrize('damage, settings, kind, detail', STOPS)
def test_what_would_fail_or_be_wrong_stops_a_run(damage, settings, kind, detail, tmp_path):
    write_pairs(tmp_path)
    (tmp_path / 'list.txt').write_text('0\n1\n2\n3\n')
    if damage:
        damage(tmp_path)
    found = report_of(dataset(tmp_path, **settings)).problems.kinds()
    assert list(found) == [kind] and detail in found[kind][0], found


@pytest.mark.parametrize(
    'code, settings, kind, detail',
    [
        (coloured, {}, 'label pictures of colours, not of labels', '3 channels; make label pictures of them'),
        (indexed, dict(pipeline=[dict(type='LoadAnnotations', imdecode_backend='cv2')]),
         'label pictures of colours, not of labels', "imdecode_backend='cv2'; set 'pillow'"),
        (tones, {}, 'labels beyond the classes',
         'the values are grey tones: make label pictures of them: python tools/prepare_data.py labels /'),
        (lambda labels: grey(np.array([0, 1, 7], np.uint8)[labels]), {}, 'labels beyond the classes',
         'the last is 2; correct the pictures, set these pixels to 255, or add classes'),
        (lambda labels: grey(labels + 1), {}, 'labels beyond the classes', 'from 1: set reduce_zero_label=True'),
        (mask, {}, 'masks of 0 and 255, the ignore index', "nothing but 'sky' would be learnt"),
    ],
)  # fmt: skip
def test_pictures_that_are_no_labels_stop_a_run(code, settings, kind, detail, tmp_path):
    write_pairs(tmp_path, code)
    found = report_of(dataset(tmp_path, **settings)).problems.kinds()
    assert list(found) == [kind] and detail in found[kind][0], found


@pytest.mark.parametrize(
    'damage, settings, kind, detail',
    [
        (None, dict(metainfo=dict(classes=(*CLASSES, 'car'))), 'classes that never occur', "'car'"),
        (None, dict(reduce_zero_label=True), 'classes that never occur', "'tree' (reduce_zero_label ignores 0"),
        (None, dict(ignore_index=0), 'classes that are ignored', "'sky' has the ignore index, 0"),
        (all_ignored, {}, 'label pictures whose pixels are all ignored', '1.png'),
        (copied, {}, 'label pictures without an image', 'other.png'),
        (None, dict(ann_file='twice.txt'), 'duplicated images', '0.png, 2 times'),
    ],
)
def test_what_may_be_wrong_is_said_and_a_run_goes_on(damage, settings, kind, detail, tmp_path):
    write_pairs(tmp_path)
    (tmp_path / 'twice.txt').write_text('0\n0\n1\n')
    if damage:
        damage(tmp_path)
    problems = report_of(dataset(tmp_path, **settings)).problems
    assert not problems.kinds() and detail in problems.kinds(doubtful=True)[kind][0], list(problems.lines())


def test_numbers_that_each_indexed_picture_gave_itself_are_said(tmp_path):
    write_pairs(tmp_path, shuffled)
    kinds = report_of(dataset(tmp_path)).problems.kinds(doubtful=True)
    assert len(kinds) == 1 and 'are their numbers labels?' in next(iter(kinds))
    assert '.png: 1 is (' in next(iter(kinds.values()))[0]


def test_other_datasets_of_the_library_have_their_own_suffixes_and_labels(tmp_path):
    write_pairs(
        tmp_path,
        lambda labels: grey(labels + 1),
        names=lambda number: (f'images/{number}.jpg', f'labels/{number}.png'),
    )
    settings = dict(
        type='ADE20KDataset', data_root=str(tmp_path), data_prefix=dict(img_path='images', seg_map_path='labels')
    )
    report = report_of(settings)
    assert not report.problems.kinds() and report.table[1][:2] == ('wall', 4)
    some = report_of({**settings, 'metainfo': dict(classes=('building', 'wall'))})
    assert [row[:2] for row in some.table[1:]] == [('building', 4), ('wall', 4)]
    assert 0 < float(some.notes[-1].split()[-2]) < 50  # the third class of the pictures has no label


def test_dataset_of_the_same_name_in_two_libraries_is_told_by_its_settings(tmp_path):
    names = lambda number: (f'images/{number}_leftImg8bit.png', f'labels/{number}_gtFine_labelTrainIds.png')  # noqa: E731
    write_pairs(tmp_path, names=names)
    prefix = dict(img_path='images', seg_map_path='labels')
    settings = dict(type='CityscapesDataset', data_root=str(tmp_path), data_prefix=prefix, pipeline=LOAD)
    report = report_of(settings)
    assert not report.problems.kinds() and report.table[1][0] == 'road'
    assert 'CocoDataset' not in check_of({**settings, 'type': 'mmseg.CityscapesDataset'}).title
    coco = check_of(dict(type='CityscapesDataset', ann_file='a.json', data_prefix=dict(img='images')))
    assert coco is not None and 'check_coco' in str(coco.fill)
    panoptic = [dict(type='LoadAnnotations', with_seg=True), dict(type='PackDetInputs')]
    assert check_of({**settings, 'type': 'ADE20KSegDataset', 'pipeline': panoptic}) is None


def test_label_pictures_that_the_pipeline_does_not_load_are_not_looked_at(tmp_path):
    write_pairs(tmp_path, coloured)
    report = report_of(dataset(tmp_path, pipeline=LOAD[:1]))
    assert not report.problems.total() and 'the pipeline has no LoadAnnotations' in report.notes[-1]


def test_data_sets_of_a_config_are_found_inside_wrappers_and_stop_its_run(tmp_path):
    write_pairs(tmp_path, mask)
    wrapped = dict(type='RepeatDataset', times=3, dataset=dict(type='ConcatDataset', datasets=[dataset(tmp_path)]))
    cfg = Config(dict(default_scope='mmseg', train_dataloader=dict(dataset=wrapped)))
    (report,) = check_config(cfg, ('train',))
    assert report.title == f'train: BaseSegDataset {tmp_path}/labels' and report.problems.total() == 1
    with pytest.raises(UserError, match='masks of 0 and 255.*check CONFIG --split train'):
        list(check_annotations(cfg, ('train',)))


def test_advice_is_given_once_with_the_path_of_the_config(tmp_path):
    write_pairs(tmp_path / 'the data', coloured)
    cfg = Config(
        dict(default_scope='mmseg', train_dataloader=dict(dataset=dataset(tmp_path / 'the data'))),
        cfg_text='#',
        filename='a b.py',
    )
    with pytest.raises(UserError) as error:
        list(check_annotations(cfg, ('train',)))
    said = str(error.value)
    assert said.count('make label pictures of them') == 1 and said.count('3 channels') == 3
    assert "the data' OUT; look" in said and said.endswith("check 'a b.py' --split train")


def test_without_the_library_one_line_says_what_to_install(tmp_path, monkeypatch):
    write_pairs(tmp_path)
    monkeypatch.setattr('mmattn.data.check_labels.importlib.util.find_spec', lambda name: None)
    with pytest.raises(UserError, match='dataset of mmseg, which is not installed; install'):
        report_of(dataset(tmp_path))
