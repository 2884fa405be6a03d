"""Damaged data of classification: class folders, and lists of files and labels, as mmpretrain reads them."""

from __future__ import annotations

import os

import pytest
from coco_data import save_image

from mmattn.data.check import check_of
from mmattn.data.findings import DOUBTFUL, LEFT_OUT, STOPS


def found(folder, **others):
    """Effects by the kinds of problems, and the report."""
    dataset = dict(type='CustomDataset', data_root=str(folder), data_prefix='images', **others)
    report = check_of(dataset).run(workers=1)
    problems = report.problems
    return {
        **dict.fromkeys(problems.kinds(), STOPS),
        **dict.fromkeys(problems.kinds(left_out=True), LEFT_OUT),
        **dict.fromkeys(problems.kinds(doubtful=True), DOUBTFUL),
    }, report


@pytest.fixture
def folders(tmp_path):
    for name in ('cat/1.png', 'cat/2.png', 'dog/3.PNG'):
        save_image(tmp_path / 'images' / name)
    return tmp_path


def test_sound_folders_have_no_problem(folders):
    kinds, report = found(folders)
    assert (kinds, report.images, report.folders) == ({}, 3, ['cat', 'dog'])


@pytest.mark.parametrize(
    ('damage', 'kind', 'effect'),
    [
        (lambda images: (images / 'cow').mkdir(), 'class folders without images', DOUBTFUL),
        (lambda images: (images / '.cache').mkdir(), 'hidden folders', STOPS),
        (lambda images: (images / 'cat/1.png').write_bytes(b''), 'images that cannot be read', STOPS),
        (lambda images: (images / 'cat/1.png').write_bytes(b'none'), 'images that do not decode', STOPS),
        (lambda images: images.rename(images.parent / 'gone'), 'image folders missing', STOPS),
        (lambda images: [path.rename(images / path.name) for path in images.glob('*/*')], 'images missing', STOPS),
    ],
)
def test_damaged_folders(folders, damage, kind, effect):
    damage(folders / 'images')
    kinds, _ = found(folders)
    assert kinds[next(each for each in kinds if each.startswith(kind))] == effect
    assert effect == STOPS or STOPS not in kinds.values()


def test_folder_without_class_folders(tmp_path):
    save_image(tmp_path / 'images' / '1.png')
    assert 'class folders missing' in found(tmp_path)[0]
    assert found(tmp_path, with_label=False)[0] == {}


def test_pipe_and_file_of_another_ending_in_a_class_folder_are_passed_over(folders):
    os.mkfifo(folders / 'images' / 'cat' / 'pipe.png')
    (folders / 'images' / 'cat' / 'notes.txt').touch()
    kinds, report = found(folders)
    assert (kinds, report.images) == ({}, 3)


@pytest.mark.parametrize(
    ('classes', 'kind'),
    [
        (['cat', 'dog'], None),
        (['n01', 'n02'], None),  # names may be others than those of the folders
        (['dog', 'cat'], 'classes in another order than their folders'),
        (['bird', 'cat'], 'classes in another order than their folders'),
        (['cat'], 'unknown or missing classes'),
        (['cat', 'dog', 'cow'], 'unknown or missing classes'),
    ],
)
def test_classes_of_the_config_against_folders(folders, classes, kind):
    assert found(folders, metainfo=dict(classes=classes))[0] == ({kind: STOPS} if kind else {})


@pytest.mark.parametrize(
    ('text', 'kind', 'effect'),
    [
        ('cat/1.png 0\ndog/3.PNG 1\n', None, None),
        ('cat/1.png 0\ncat/1.png 0\n', 'duplicated images', DOUBTFUL),
        ('cat/1.png 0\n\n', 'damaged lines', STOPS),
        ('cat/1.png\n', 'damaged lines', STOPS),
        ('cat/1.png\t0\n', 'damaged lines', STOPS),
        ('cat/1.png -1\n', 'damaged lines', STOPS),
        ('cat/1.png 0.5\n', 'damaged lines', STOPS),
        ('cat/1.png cat\n', 'damaged lines', STOPS),
        ('cat/1.png ' + '9' * 5000, 'damaged lines', STOPS),
        ('cat/1.png 2\n', 'unknown classes', STOPS),
        ('absent.png 0\n', 'images missing', STOPS),
        ('cat 0\n', 'images that cannot be read', STOPS),
        ('pipe.png 0\n', 'images that cannot be read', STOPS),
        ('\ufeffcat/1.png 0\n', 'images missing', STOPS),
        ('', 'annotations that cannot be read', STOPS),
        ('c\u00e4t.png 0\n'.encode('latin-1'), 'annotations that cannot be read', STOPS),
    ],
)
def test_lists_of_files_and_labels(folders, text, kind, effect):
    os.mkfifo(folders / 'images' / 'pipe.png')
    (folders / 'list.txt').write_bytes(text if isinstance(text, bytes) else text.encode())
    kinds, report = found(folders, ann_file='list.txt', classes=['cat', 'dog'])
    assert kinds.get(kind) == effect and bool(kinds) == bool(kind)
    assert all(line.isprintable() for line in report.lines(None))


def test_list_without_labels_is_read_to_the_last_blank(folders):
    (folders / 'list.txt').write_text('cat/1.png\ncat/2.png \n')
    assert list(found(folders, ann_file='list.txt', with_label=False)[0]) == ['images missing']


@pytest.mark.parametrize(
    ('make', 'kind'),
    [
        (os.mkdir, 'annotations that cannot be read'),
        (os.mkfifo, 'annotations that cannot be read'),
        (None, 'annotation files missing'),
    ],
)
def test_list_that_is_no_file(folders, make, kind):
    if make:
        make(folders / 'list.txt')
    assert kind in found(folders, ann_file='list.txt')[0]


@pytest.mark.parametrize(
    'change',
    [
        dict(ann_file=['a.txt', 'b.txt']),
        dict(data_prefix=['a', 'b']),
        dict(data_prefix=None),
        dict(extensions='.png'),
        dict(extensions=None),
        dict(backend_args='local'),
    ],
)
def test_settings_that_mmpretrain_cannot_read(folders, change):
    dataset = {'type': 'ImageNet', 'data_root': str(folders), **change}
    assert list(check_of(dataset).run(workers=1).problems.kinds()) == ['settings that the data set cannot read']
