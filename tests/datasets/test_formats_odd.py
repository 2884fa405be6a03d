"""Odd data sets: each is read as is expected of it, or refused in one sentence."""

from __future__ import annotations

import pytest
from odd_datasets import ODD, READS

from mmattn.data.check import check_dataset
from mmattn.data.check_coco import check_coco
from mmattn.data.coco.masks import MaskCheck
from mmattn.data.formats.source import gather, read_source
from mmattn.data.report import Report
from mmattn.errors import UserError
from mmattn.files import write_json


@pytest.fixture
def made(request, tmp_path):
    each = ODD[request.param]
    return each, each.make(tmp_path / request.param) or tmp_path / request.param


@pytest.mark.parametrize('made', [name for name, each in ODD.items() if each.expected == READS], indirect=True)
def test_odd_data_set_is_read(made, tmp_path):
    each, path = made
    source = read_source(path)
    images = [image for part in source.parts.values() for image in part.images]
    objects = [entry for part in source.parts.values() for entry in part.annotations]
    assert source.format == each.format
    assert (len(images), len(objects)) == (each.images, each.objects or 0)
    said = '\n'.join([*source.notes, *source.findings.lines()])
    assert each.says in said and (each.says or source.findings.total() == 0), said
    for name, part in source.parts.items() if source.task != 'classes' else ():
        write_json(part.coco(source.classes), tmp_path / f'{name}.json')
        report = Report(name)
        check_coco(
            report,
            tmp_path / f'{name}.json',
            part.root,
            source.classes,
            masks=MaskCheck() if source.task == 'masks' else None,
        )
        assert report.problems.kinds() == {}


@pytest.mark.parametrize('made', [name for name, each in ODD.items() if each.expected != READS], indirect=True)
def test_odd_data_set_is_refused_in_a_sentence(made):
    each, path = made
    with pytest.raises(UserError) as error:
        read_source(path)
    assert each.expected in str(error.value) and '\n' not in str(error.value)


def test_gather_reads_what_read_source_refuses(tmp_path):
    ODD['voc_most_objects_damaged'].make(tmp_path)
    source = gather(tmp_path)
    assert source.findings.kinds(left_out=True)['boxes outside the image (left out)']
    with pytest.raises(UserError, match='12 of 16 objects in .* are damaged: boxes outside the image: 12'):
        source.refuse()


def test_check_of_a_folder_says_its_format_and_lists_what_is_left_out(tmp_path):
    ODD['yolo_damaged_lines'].make(tmp_path)
    whole, train = check_dataset(tmp_path)
    assert 'YOLO (data.yaml): 8 images to train' in whole.title
    assert set(whole.problems.kinds(left_out=True)) == {
        'lines that are not numbers (left out)',
        'lines with another count of numbers (left out)',
    }
    assert [row[:2] for row in train.table] == [('class', 'objects'), ('cat', 7), ('dog', 7)]
    assert train.problems.total() == 0


def test_check_of_what_would_be_refused_says_so_and_lists_it(tmp_path):
    ODD['voc_most_objects_damaged'].make(tmp_path)
    whole, _ = check_dataset(tmp_path)
    assert len(whole.problems.kinds(left_out=True)['boxes outside the image (left out)']) == 12
    assert '12 of 16 objects' in whole.problems.kinds()['no training would start'][0]


def test_check_takes_the_description_of_a_data_set_for_none_of_a_config(tmp_path):
    path = ODD['yolo_path_and_relative_parts'].make(tmp_path)
    assert [report.title.rpartition(': ')[2] for report in check_dataset(path)][1:] == ['train', 'val']


def test_check_of_two_formats_at_once_needs_to_be_told(tmp_path):
    ODD['two_formats_at_once'].make(tmp_path)
    with pytest.raises(UserError, match='--format yolo or --format voc'):
        list(check_dataset(tmp_path))
    assert 'YOLO' in next(check_dataset(tmp_path, format='yolo')).title


def test_check_of_class_folders_looks_at_each_part_and_compares_them(tmp_path):
    ODD['folders_with_a_class_that_val_lacks'].make(tmp_path)
    train, val = check_dataset(tmp_path)
    assert (train.folders, val.folders) == (['cat', 'dog', 'owl'], ['dog', 'owl'])
    assert val.problems.kinds() == {'class folders that not all splits have (labels shift)': ['cat']}
