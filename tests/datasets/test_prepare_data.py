"""tools/prepare_data.py: VisDrone conversion, and the checks of COCO- and ImageNet-style data."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from coco_data import save_image
from PIL import Image

from mmattn.data import visdrone
from mmattn.data.findings import Findings
from mmattn.data.images import ImageLoader, read_size
from mmattn.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / 'tools' / 'prepare_data.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('prepare_data', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(tool, capsys):
    """Runs the tool; returns its exit status and what it printed."""

    def run(*arguments):
        with pytest.raises(SystemExit) as stop:
            tool.main([str(argument) for argument in arguments])
        return stop.value.code, capsys.readouterr().out

    return run


# ----- images


def test_size_is_the_one_after_exif_rotation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    save_image(tmp_path / 'turned.jpg', (40, 30), exif=exif)
    assert read_size(tmp_path / 'turned.jpg') == (30, 40)
    assert ImageLoader().shape(tmp_path / 'turned.jpg') == (40, 30, 3)


def test_truncated_image_has_a_size_but_does_not_decode(tmp_path):
    path = tmp_path / 'cut.jpg'
    Image.effect_noise((64, 64), 80).save(path)
    path.write_bytes(path.read_bytes()[:-1000])
    assert read_size(path) == (64, 64)
    with pytest.raises(OSError):
        ImageLoader().shape(path)


def test_findings_are_capped_per_kind():
    findings = Findings()
    for number in range(5):
        findings.add('boxes', f'box {number}')
    findings.add('images', 'a.jpg')
    assert list(findings.lines(2)) == [
        'boxes: 5',
        '  box 0',
        '  box 1',
        '  … and 3 more (--all lists them)',
        'images: 1',
        '  a.jpg',
    ]
    assert len(list(findings.lines(None))) == 8


# ----- visdrone


def make_split(folder, lines, size=(100, 80)):
    save_image(folder / 'images' / 'a.jpg', size)
    (folder / 'annotations').mkdir(exist_ok=True)
    (folder / 'annotations' / 'a.txt').write_text('\n'.join(lines) + '\n')
    return folder


def convert(folder, lines):
    split = visdrone.convert_split('train', make_split(folder, lines), workers=1)
    return split, split.content['annotations']


def test_object_keeps_truncation_and_occlusion(tmp_path):
    split, annotations = convert(tmp_path, ['10,20,30,40,1,4,1,2'])
    assert annotations == [
        dict(id=1, image_id=1, category_id=4, bbox=[10, 20, 30, 40], area=1200, truncation=1, occlusion=2, iscrowd=0)
    ]
    assert split.content['images'] == [dict(id=1, file_name='a.jpg', width=100, height=80)]
    assert split.content['categories'][3] == dict(id=4, name='car')
    assert len(split.content['categories']) == 10
    assert split.findings.total() == 0


def test_comma_at_the_end_blank_lines_and_windows_line_ends(tmp_path):
    split, annotations = convert(tmp_path, ['10,20,30,40,1,4,0,0,\r', '', '1,2,3,4,1,1,0,0'])
    assert [each['category_id'] for each in annotations] == [4, 1]
    assert split.findings.total() == 0


def test_ignored_region_is_a_crowd_of_every_class(tmp_path):
    split, annotations = convert(tmp_path, ['0,0,50,50,0,0,0,0'])
    assert [each['category_id'] for each in annotations] == list(range(1, 11))
    assert all(each['iscrowd'] == 1 and each['ignored_region'] == 1 for each in annotations)
    assert len({each['id'] for each in annotations}) == 10
    assert split.counts['ignored regions'] == 1


def test_score_0_others_and_covered_objects(tmp_path):
    split, annotations = convert(
        tmp_path,
        [
            '60,0,10,10,0,2,0,0',  # score 0
            '60,20,10,10,0,11,0,0',  # others
            '45,0,10,10,1,4,0,0',  # half inside the region
            '46,20,10,10,1,5,0,0',  # less than half
            '0,0,50,50,0,0,0,0',
        ],
    )
    single = [
        (each['category_id'], each['iscrowd'], each.get('covered', 0))
        for each in annotations
        if 'ignored_region' not in each
    ]
    assert single == [(2, 1, 0), (4, 1, 1), (5, 0, 0)]
    assert (split.counts['others'], split.counts['score 0'], split.counts['covered']) == (1, 1, 1)


def test_covered_counts_the_union_of_regions_once(tmp_path):
    lines = ['0,0,10,10,1,4,0,0', *['0,0,4,10,0,0,0,0'] * 2]
    assert convert(tmp_path / 'same', lines)[0].counts['covered'] == 0
    lines = ['0,0,10,10,1,4,0,0', '0,0,3,10,0,0,0,0', '7,0,3,10,0,0,0,0']
    assert convert(tmp_path / 'apart', lines)[0].counts['covered'] == 1


@pytest.mark.parametrize(
    ('line', 'why'),
    [
        ('1,2,3', '3 fields instead of 8'),
        ('1,2,3,4,1,4,0,0,9', '9 fields instead of 8'),
        ('1,x,3,4,1,4,0,0', "top is no number: 'x'"),
        ('nan,2,3,4,1,4,0,0', 'left is no number'),
        ('1,2,inf,4,1,4,0,0', 'width is no number'),
        ('1,2,0,4,1,4,0,0', 'the box is empty'),
        ('1,2,3,-4,1,4,0,0', 'the box is empty'),
        ('1,2,3,4,1,12,0,0', 'category is 12, but may be 0 to 11'),
        ('1,2,3,4,2,4,0,0', 'score is 2'),
        ('1,2,3,4,1,4,0,3', 'occlusion is 3'),
    ],
)
def test_damaged_line_is_reported_and_the_rest_converted(tmp_path, line, why):
    split, annotations = convert(tmp_path, ['1,2,3,4,1,1,0,0', line, '5,6,7,8,1,2,0,0'])
    assert [each['category_id'] for each in annotations] == [1, 2]
    report = list(split.findings.lines())
    assert report[0] == 'damaged lines (left out): 1'
    assert 'a.txt:2: ' in report[1] and why in report[1]
    assert not split.incomplete()


def test_boxes_are_clipped_or_left_out(tmp_path):
    split, annotations = convert(tmp_path, ['-5,70,20,20,1,4,0,0', '100,0,5,5,1,4,0,0'])
    assert [each['bbox'] for each in annotations] == [[0, 70, 15, 10]]
    assert annotations[0]['area'] == 150
    assert split.findings.count('boxes clipped to the image') == 1
    assert split.findings.count('boxes outside the image (left out)') == 1


def test_files_without_a_partner_and_broken_images(tmp_path):
    make_split(tmp_path, ['1,2,3,4,1,1,0,0'])
    save_image(tmp_path / 'images' / 'alone.jpg')
    (tmp_path / 'annotations' / 'orphan.txt').write_text('1,2,3,4,1,1,0,0\n')
    (tmp_path / 'images' / 'broken.jpg').write_bytes(b'no image')
    (tmp_path / 'annotations' / 'broken.txt').write_text('1,2,3,4,1,1,0,0\n')
    split = visdrone.convert_split('train', tmp_path)
    assert [image['file_name'] for image in split.content['images']] == ['a.jpg']
    assert [split.findings.count(kind) for kind in visdrone.MISSING_KINDS] == [1, 1, 1]
    assert split.incomplete()


def test_splits_are_found_by_either_name(tmp_path):
    for name in ('VisDrone2019-DET-train', 'VisDrone2019-DET-test_dev', 'val', 'elsewhere'):
        make_split(tmp_path / name, [])
    (tmp_path / 'VisDrone2019-DET-test-challenge' / 'images').mkdir(parents=True)
    assert set(visdrone.find_splits(tmp_path)) == {'train', 'val', 'test-dev', 'elsewhere'}
    assert set(visdrone.find_splits(tmp_path / 'val')) == {'val'}
    assert [path.name for path in visdrone.without_annotations(tmp_path)] == ['VisDrone2019-DET-test-challenge']
    make_split(tmp_path / 'train', [])
    with pytest.raises(UserError, match='both the split train'):
        visdrone.find_splits(tmp_path)


def test_visdrone_command_is_deterministic_and_leaves_no_partial_file(tmp_path, run):
    for split in ('train', 'val'):
        make_split(tmp_path / 'src' / split, ['1,2,3,4,1,4,0,0', 'damaged'])
    status, output = run('visdrone', tmp_path / 'src', tmp_path / 'dst')
    assert status == 0
    assert 'car 1' in output and 'a.txt:2: 1 fields instead of 8' in output
    assert sorted(os.listdir(tmp_path / 'dst')) == ['instances_train.json', 'instances_val.json']
    first = (tmp_path / 'dst' / 'instances_train.json').read_bytes()
    run('visdrone', tmp_path / 'src', tmp_path / 'dst')
    assert (tmp_path / 'dst' / 'instances_train.json').read_bytes() == first


def test_visdrone_status_1_where_images_are_left_out(tmp_path, run):
    make_split(tmp_path, ['1,2,3,4,1,4,0,0'])
    save_image(tmp_path / 'images' / 'alone.jpg')
    assert run('visdrone', tmp_path, tmp_path / 'dst')[0] == 1


def test_visdrone_into_a_place_that_is_a_file(tmp_path, tool):
    make_split(tmp_path / 'train', ['1,2,3,4,1,4,0,0'])
    (tmp_path / 'dst').write_text('')
    with pytest.raises(UserError, match='cannot write .*instances_train.json'):
        tool.main(['visdrone', str(tmp_path / 'train'), str(tmp_path / 'dst')])


@pytest.mark.parametrize('source', ['absent', 'empty', 'hollow'])
def test_visdrone_without_splits_or_images(tmp_path, tool, source):
    (tmp_path / 'empty').mkdir()
    for name in ('images', 'annotations'):
        (tmp_path / 'hollow' / name).mkdir(parents=True)
    with pytest.raises(UserError, match='absent|empty|hollow'):
        tool.main(['visdrone', str(tmp_path / source), str(tmp_path / 'dst')])
    assert not (tmp_path / 'dst').exists()


def test_ignored_region_excuses_detections_of_every_class(tmp_path):
    coco = pytest.importorskip('pycocotools.coco')
    cocoeval = pytest.importorskip('pycocotools.cocoeval')
    split, _ = convert(tmp_path, ['60,60,10,10,1,4,0,0', '60,10,10,10,1,1,0,0', '0,0,50,50,0,0,0,0'])
    path = visdrone.write(split, tmp_path)
    truth = coco.COCO(str(path))
    found = [
        dict(image_id=1, category_id=category, bbox=box, score=score)
        for category, box, score in [
            (4, [60, 60, 10, 10], 0.5),
            (1, [60, 10, 10, 10], 0.5),
            (4, [5, 5, 10, 10], 0.9),
            (1, [20, 20, 10, 10], 0.9),
        ]
    ]
    evaluation = cocoeval.COCOeval(truth, truth.loadRes(found), 'bbox')
    for step in ('evaluate', 'accumulate', 'summarize'):
        getattr(evaluation, step)()
    assert evaluation.stats[0] == pytest.approx(1)


# ----- check, COCO-style


@pytest.fixture
def dataset(tmp_path):
    """A sound dataset of two images; tests damage it."""
    for name in ('a.png', 'b.png'):
        save_image(tmp_path / 'images' / name)
    return dict(
        images=[dict(id=i, file_name=name, width=40, height=30) for i, name in enumerate(['a.png', 'b.png'], start=1)],
        categories=[dict(id=1, name='cat'), dict(id=2, name='dog')],
        annotations=[
            dict(id=1, image_id=1, category_id=1, bbox=[0, 0, 40, 30], area=1200, iscrowd=0),
            dict(id=2, image_id=2, category_id=2, bbox=[5.5, 5, 10, 10], area=100, iscrowd=0),
            dict(id=3, image_id=2, category_id=2, bbox=[5, 5, 20, 20], area=400, iscrowd=1),
        ],
    )


def check_json(run, folder, content, *options):
    path = folder / 'instances.json'
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return run('check', path, '--images', folder / 'images', *options)


def test_sound_coco_dataset(tmp_path, dataset, run):
    status, output = check_json(run, tmp_path, dataset)
    assert status == 0
    assert 'images: 2 (0 without annotations); objects: 2; crowds: 1' in output
    assert '1 small (50.0 %), 1 medium (50.0 %), 0 large' in output
    rows = {line.split()[0]: line.split()[1:] for line in output.splitlines() if line.split()}
    assert rows['dog'] == ['1', '50.0', '%', '1', '1', '0', '0', '1']


def damage(path, value):
    def apply(content):
        *steps, last = path
        for step in steps:
            content = content[step]
        content[last] = value

    return apply


@pytest.mark.parametrize(
    ('apply', 'kind'),
    [
        (damage(('images', 0, 'file_name'), 'c.png'), 'images missing'),
        (damage(('images', 0, 'width'), 41), 'image sizes that differ from the file'),
        (damage(('images', 1, 'id'), 1), 'duplicated ids of images'),
        (damage(('images', 1, 'file_name'), 'a.png'), 'duplicated file_names of images'),
        (damage(('annotations', 0, 'bbox'), [0, 0, 41, 30]), 'boxes outside the image'),
        (damage(('annotations', 0, 'bbox'), [-1, 0, 10, 10]), 'boxes outside the image'),
        (damage(('annotations', 0, 'bbox'), [5, 5, 0, 10]), 'empty boxes'),
        (damage(('annotations', 0, 'area'), 0), 'empty boxes'),
        (damage(('annotations', 0, 'bbox'), [5, 5, 0.5, 10]), 'boxes thinner than a pixel'),
        (damage(('annotations', 0, 'bbox'), [5, 5, 10]), 'boxes that are not four numbers'),
        (damage(('annotations', 0, 'bbox'), [5, 5, float('nan'), 1]), 'boxes that are not four'),
        (damage(('annotations', 0, 'area'), 'big'), 'areas that are no numbers'),
        (damage(('annotations', 0, 'category_id'), 9), 'annotations of unknown categories'),
        (damage(('annotations', 0, 'image_id'), 9), 'annotations of unknown images'),
        (damage(('annotations', 0, 'image_id'), [1]), 'ids that are no numbers'),
        (damage(('annotations', 0, 'id'), 2), 'duplicated ids of annotations'),
        (damage(('annotations', 0, 'id'), 0), 'annotations with id 0'),
        (damage(('annotations', 0), 7), 'entries that are no objects'),
        (lambda content: content['annotations'][0].pop('iscrowd'), 'fields missing'),
        (lambda content: content['images'][0].pop('height'), 'fields missing'),
        (damage(('categories', 1, 'id'), 1), 'duplicated ids of categories'),
        (damage(('categories', 1, 'name'), 'cat'), 'duplicated names of categories'),
        (lambda content: content.pop('categories'), 'annotations that cannot be read'),
        (damage(('images',), []), 'images missing'),
        (damage(('categories',), []), 'categories missing'),
    ],
)
def test_each_kind_of_damage_is_found(tmp_path, dataset, run, apply, kind):
    apply(dataset)
    status, output = check_json(run, tmp_path, dataset)
    assert status == 1
    assert f'! {kind}' in output


def test_truncated_image_and_rotated_size(tmp_path, dataset, run):
    path = tmp_path / 'images' / 'a.png'
    Image.effect_noise((40, 30), 80).save(path, 'JPEG')
    path.write_bytes(path.read_bytes()[:-300])
    dataset['images'][1].update(width=30, height=40)
    status, output = check_json(run, tmp_path, dataset)
    assert status == 1
    assert '! images that do not decode: 1' in output
    assert '(the EXIF orientation turns it' in output


@pytest.mark.parametrize('text', ['{"images": [', '[]', ''])
def test_json_that_is_none(tmp_path, run, text):
    status, output = check_json(run, tmp_path, text)
    assert status == 1 and 'annotations that cannot be read: 1' in output


def test_lists_are_capped_unless_all_is_asked_for(tmp_path, dataset, run):
    dataset['annotations'] = [
        dict(id=i, image_id=1, category_id=1, bbox=[0, 0, 0, 0], area=0, iscrowd=0) for i in range(1, 31)
    ]
    assert '… and 20 more' in check_json(run, tmp_path, dataset)[1]
    output = check_json(run, tmp_path, dataset, '--all')[1]
    assert 'more' not in output and 'annotation 30 of image 1' in output


# ----- check, configs


def write_config(folder, text):
    path = folder / 'config.py'
    path.write_text(text)
    return path


COCO_CONFIG = """
default_scope = 'mmdet'
data = dict(type='mmdet.CocoDataset', data_root={root!r}, ann_file='instances.json',
            data_prefix=dict(img='images/'){more})
train_dataloader = dict(dataset=dict(type='RepeatDataset', times=2, dataset=dict(
    type='ConcatDataset', datasets=[data, data])))
val_dataloader = dict(dataset=data)
"""


def check_coco_config(run, folder, content, more, *options):
    (folder / 'instances.json').write_text(json.dumps(content))
    config = write_config(folder, COCO_CONFIG.format(root=str(folder), more=more))
    return run('check', config, *options)


def test_wrapped_datasets_of_a_config_are_checked_once(tmp_path, dataset, run):
    status, output = check_coco_config(run, tmp_path, dataset, ", metainfo=dict(classes=('cat', 'dog'))")
    assert status == 0
    assert output.count('instances.json') == 1
    assert output.startswith('train, val: CocoDataset ')


@pytest.mark.parametrize(
    ('classes', 'problem'),
    [
        (('cat', 'dog', 'cow'), '! classes of the config that the annotations lack: 1\n    cow'),
        (('cat',), '! categories that are no class of the config (left out): 1\n    dog, 2 annotations'),
        (('dog', 'cat'), '! classes in another order: 1'),
    ],
)
def test_classes_of_config_and_annotations(tmp_path, dataset, run, classes, problem):
    status, output = check_coco_config(run, tmp_path, dataset, f', metainfo=dict(classes={classes!r})')
    assert status == 1 and problem in output


def test_coco_dataset_without_classes_has_those_of_coco(tmp_path, dataset, run):
    output = check_coco_config(run, tmp_path, dataset, '', '--split', 'val')[1]
    assert '! classes of the config that the annotations lack, so that labels after them shift: 15' in output
    assert '! classes of the config that the annotations lack: 63' in output


def coco_loader(folder, content, **options):
    (folder / 'train.json').write_text(json.dumps(content))
    return dict(
        type='CocoDataset', data_root=str(folder), ann_file='train.json', data_prefix=dict(img='images/'), **options
    )


def test_missing_annotations_are_a_problem_not_a_crash(tmp_path, dataset, run):
    status, output = check_coco_config(
        run, tmp_path, dataset, '', '--split', 'val', '--cfg-options', 'val_dataloader.dataset.ann_file=absent.json'
    )
    assert status == 1 and '! annotation files missing: 1' in output


@pytest.mark.parametrize('name', ['mask_rcnn_sda_nuclei.py', 'mask_rcnn_sda_minicoco.py'])
def test_demo_data_is_sound(run, monkeypatch, name):
    pytest.importorskip('mmdet')  # of whose configs it is one
    monkeypatch.chdir(ROOT)
    status, output = run('check', f'configs/demo/{name}')
    assert status == 0 and output.count('no problems') == 2


# ----- check, ImageNet-style


FOLDER_CONFIG = """
default_scope = 'mmpretrain'
train_dataloader = dict(dataset=dict(type='CustomDataset', data_root={root!r}, data_prefix='train'))
val_dataloader = dict(dataset=dict(type='CustomDataset', data_root={root!r}, data_prefix='val'{more}))
"""


@pytest.fixture
def folders(tmp_path):
    for split in ('train', 'val'):
        for name in ('cat/1.png', 'cat/deeper/2.png', 'dog/3.PNG'):
            save_image(tmp_path / split / name)
    return tmp_path


def test_sound_folders(folders, run):
    status, output = run('check', write_config(folders, FOLDER_CONFIG.format(root=str(folders), more='')))
    assert status == 0
    assert output.count('classes: 2; images: 3') == 2
    assert ['cat', '2', '66.7', '%'] in [line.split() for line in output.splitlines()]


def test_folders_with_damage(folders, run):
    (folders / 'train' / 'cow').mkdir()
    save_image(folders / 'train' / '.ipynb_checkpoints' / '1.png')
    (folders / 'train' / 'dog' / '4.png').write_bytes(b'')
    save_image(folders / 'train' / 'stray.png')
    (folders / 'train' / 'cat' / 'notes.txt').write_text('none')
    status, output = run('check', folders / 'train')
    assert status == 1
    for expected in (
        '! class folders without images: 1',
        '! hidden folders',
        'the file is empty',
        '1 images lie outside',
        '1 files are no images by their endings',
    ):
        assert expected in output


def test_folders_of_splits_must_be_the_same(folders, run):
    save_image(folders / 'val' / 'bird' / '1.png')
    status, output = run('check', write_config(folders, FOLDER_CONFIG.format(root=str(folders), more='')))
    assert status == 1 and 'not all splits have (labels shift): 1\n    bird' in output


def test_number_of_folders_and_classes(folders, run):
    config = write_config(
        folders, FOLDER_CONFIG.format(root=str(folders), more=", metainfo=dict(classes=['a', 'b', 'c'])")
    )
    status, output = run('check', config, '--split', 'val')
    assert status == 1 and 'the config has 3 classes' in output


def test_list_of_files(folders, run):
    (folders / 'val.txt').write_text('cat/1.png 0\ncat/1.png 0\ndog/3.PNG 2\nabsent.png 1\nno label\n\n')
    config = write_config(
        folders, FOLDER_CONFIG.format(root=str(folders), more=", ann_file='val.txt', classes=['a', 'b']")
    )
    status, output = run('check', config, '--split', 'val')
    assert status == 1
    for expected in (
        '! damaged lines: 2',
        'val.txt:5: ',
        '! unknown classes: 1',
        'val.txt:3: ',
        '! duplicated images: 1',
        '! images missing: 1',
    ):
        assert expected in output


def test_imagenet_takes_folder_and_list_from_split(folders, run):
    (folders / 'meta').mkdir()
    (folders / 'meta' / 'val.txt').write_text('cat/1.png 999\n')
    config = write_config(
        folders, f"val_dataloader = dict(dataset=dict(type='ImageNet', data_root={str(folders)!r}, split='val'))"
    )
    status, output = run('check', config)
    assert status == 0 and 'classes: 1000; images: 1' in output


# ----- usage


def test_dataset_of_another_kind_is_named(tmp_path, dataset, tool, run):
    other = "test_dataloader = dict(dataset=dict(type='CIFAR100', data_root='data'))\n"
    with pytest.raises(UserError, match=r'test \(CIFAR100\)'):
        tool.main(['check', str(write_config(tmp_path, other))])
    (tmp_path / 'instances.json').write_text(json.dumps(dataset))
    sound = COCO_CONFIG.format(root=str(tmp_path), more=", metainfo=dict(classes=('cat', 'dog'))")
    status, output = run('check', write_config(tmp_path, sound + other))
    assert status == 0 and 'test (CIFAR100): not checked' in output


@pytest.mark.parametrize(
    'text',
    [
        'train_dataloader = 7',
        'val_dataloader = [1]',
        'train_dataloader = dict(dataset=7)',
        'train_dataloader = dict(dataset=dict(type=None))',
    ],
)
def test_config_with_loaders_of_no_dataset_is_a_usage_error(tmp_path, tool, text):
    with pytest.raises(UserError, match='dataloader|no COCO-style'):
        tool.main(['check', str(write_config(tmp_path, text))])


@pytest.mark.parametrize(
    'arguments',
    [
        ['n' * 999],
        ['absent.py'],
        ['absent.json'],
        ['absent'],
        ['.', '--cfg-options', 'a=1'],
        ['config.py', '--images', '.'],
    ],
)
def test_usage_errors_say_what_to_do(tmp_path, monkeypatch, tool, arguments):
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, '')
    with pytest.raises(UserError):
        tool.main(['check', *arguments])


@pytest.mark.parametrize(
    'arguments',
    [
        [],
        ['check', '.', '--workers', '0'],
        ['check', 'x.py', '--cfg-options', 'no_value'],
        ['check', 'x.py', '--split', 'all'],
    ],
)
def test_argparse_errors_are_status_2(run, arguments):
    assert run(*arguments)[0] == 2


@pytest.mark.slow
def test_command_line_imports_no_model_code(tmp_path, dataset):
    (tmp_path / 'instances.json').write_text(json.dumps(dataset))
    code = (
        'import runpy, sys\n'
        'sys.argv = sys.argv[1:]\n'
        'sys.path.insert(0, sys.argv[0].rpartition("/")[0])\n'
        'try:\n    runpy.run_path(sys.argv[0], run_name="__main__")\n'
        'except SystemExit as stop:\n    print("status", stop.code)\n'
        'print([name for name in sys.modules if name.split(".")[0] in ("mmdet", "mmpretrain")'
        ' or name.startswith("mmcv.ops")])'
    )
    arguments = [str(TOOL), 'check', str(tmp_path / 'instances.json'), '--images', str(tmp_path / 'images')]
    done = subprocess.run(
        [sys.executable, '-c', code, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        check=True,
    )
    assert done.stdout.splitlines()[-2:] == ['status 0', '[]']
    failed = subprocess.run(
        [sys.executable, '-c', code, str(TOOL), 'check', 'absent'],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
    )
    assert 'status 2' in failed.stdout and failed.stderr.startswith("error: 'absent' is no config")
