"""tools/fit.py: from a data set to a trained model and a report, for ordinary and for odd data."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from dataset_writers import WRITERS, items_of
from mmengine.config import Config
from odd_datasets import ODD, READS
from PIL import Image

from mmattn.data.formats.source import read_source
from mmattn.errors import UserError
from mmattn.files import write_json
from mmattn.fit.run import default_name, fit, train
from mmattn.fit.settings import Options
from mmattn.fit.timing import Times

ROOT = Path(__file__).resolve().parents[2]
BLOOD_CELLS = ROOT / 'tests' / 'fixtures' / 'blood_cells'
# Odd data sets that are trained on; of a third of the others the settings are chosen. FIT_ALL=1: all are trained on.
TRAINED = ('yolo_polygons', 'voc_difficult_objects', 'coco_class_without_objects', 'folders_with_an_empty_class')
ALL = bool(os.environ.get('FIT_ALL'))
CHOSEN = [name for index, name in enumerate(ODD) if ALL or index % 3 == 0 or name in TRAINED]


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of each file."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.rglob('*'))}


def small(data: Path, work_dir: Path, **options) -> Options:
    """Options of a training that takes a second."""
    return Options(data, work_dir, **{'backbone': 'resnet50', 'epochs': 1, 'image_size': 64, 'batch': 2, **options})


@pytest.mark.slow
@pytest.mark.parametrize('name', CHOSEN)
def test_odd_data_set_trains_or_one_sentence_says_why_not(name, tmp_path, monkeypatch, capsys):
    case = ODD[name]
    data = tmp_path / 'data set'
    data.mkdir()
    data = case.make(data) or data
    before = snapshot(tmp_path / 'data set')
    if not (ALL or name in TRAINED):
        monkeypatch.setattr('mmattn.fit.run.measure', lambda cfg: Times(0.1, 5, 1.0))
    options = small(data, tmp_path / 'run')
    if case.expected == READS:
        try:
            fit(options, only_config=True)
        except UserError as error:  # few of them have too little to split
            assert 'nothing is left to validate with' in str(error) or 'images have no objects to' in str(error), error
            assert '\n' not in str(error)
        else:
            cfg = Config.fromfile(tmp_path / 'run' / 'config.py')
            assert len((tmp_path / 'run' / 'config.py').read_text().splitlines()) <= 40
            assert (cfg.default_scope == 'mmpretrain') == (case.format == 'folders')
    else:
        with pytest.raises(UserError) as raised:
            fit(options, only_config=True)
        assert case.expected in str(raised.value) and '\n' not in str(raised.value)
    assert snapshot(tmp_path / 'data set') == before


SHORT = ('--backbone', 'resnet50', '--image-size', '128')


@pytest.mark.slow
def test_one_command_trains_goes_on_after_a_stop_and_reports(tmp_path, commands):
    data = tmp_path / 'blood cells'
    shutil.copytree(BLOOD_CELLS, data)
    before = snapshot(data)
    command = [sys.executable, str(ROOT / 'tools' / 'fit.py'), str(data), *SHORT, '--epochs', '6']
    folder = tmp_path / 'work_dirs' / 'blood cells'
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        end = time.monotonic() + 200
        while not (folder / 'epoch_2.pth').exists() and time.monotonic() < end:
            time.sleep(0.05)
        child.send_signal(signal.SIGTERM)
        output = child.communicate(timeout=100)[0]
    assert child.returncode == 143, output
    assert output.splitlines()[-1].endswith('to go on, give the same command again')
    assert 'Pascal VOC' in output and 'measuring' in output and 'System environment' not in output
    config = (folder / 'config.py').read_text()
    assert config.startswith('"""Faster R-CNN with resnet50 (thin)')
    classes = json.loads((folder / 'data' / 'val.json').read_text())['categories']
    assert [each['name'] for each in classes] == ['Platelets', 'RBC', 'WBC']

    again = commands(*command[1:], folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert 'going on from' in again.stdout and 'measuring' not in again.stdout
    assert f'report: {Path("work_dirs", "blood cells", "report")}' in again.stdout
    assert {'report.html', 'metrics.json'} <= {path.name for path in (folder / 'report').iterdir()}

    best = next(folder.glob('best_*.pth'))
    tested = commands('test.py', folder / 'config.py', best, '--out', 'test.json', folder=tmp_path)
    assert tested.returncode == 0, tested.stderr
    assert (folder / 'config.py').read_text() == config and snapshot(data) == before
    reported = json.loads((folder / 'report' / 'metrics.json').read_text())['average_precision']['box']
    metrics = json.loads((tmp_path / 'test.json').read_text())
    assert [metrics['coco/bbox_mAP'], metrics['coco/bbox_mAP_50']] == [reported['AP'], reported['AP50']]


@pytest.mark.parametrize('force', [False, True])
def test_folder_of_something_else_is_not_written_into(force, tmp_path):
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / 'thesis.tex').write_text('of value')
    with pytest.raises(UserError, match='--name'):
        fit(small(BLOOD_CELLS, tmp_path / 'run'), force=force)
    assert (tmp_path / 'run' / 'thesis.tex').read_text() == 'of value'


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """A work folder with the config of a training, and a function that calls fit for it again."""
    monkeypatch.setattr('mmattn.fit.run.measure', lambda cfg: Times(0.1, 5, 1.0))
    cells = tmp_path / 'cells'
    shutil.copytree(BLOOD_CELLS, cells)

    def again(data=cells, force=False, **options):
        fit(small(data, tmp_path / 'run', **options), force=force, only_config=True)

    again()
    return tmp_path / 'run', again


def test_folder_of_another_training_or_of_data_that_changed_is_kept(tmp_path, prepared):
    folder, again = prepared
    kept = {**snapshot(folder), str(folder / '.lock'): None}
    with pytest.raises(UserError, match='another --epochs; .*--force'):
        again(epochs=2)
    next((tmp_path / 'cells' / 'Annotations').iterdir()).unlink()
    with pytest.raises(UserError, match='they have changed: .*--force'):
        again()
    assert {**snapshot(folder), str(folder / '.lock'): None} == kept


def test_force_empties_the_folder_of_a_training(prepared):
    folder, again = prepared
    (folder / 'epoch_1.pth').write_bytes(b'')
    (folder / 'report').mkdir()
    again(force=True, epochs=2)
    assert not (folder / 'epoch_1.pth').exists() and not (folder / 'report').exists()
    assert Config.fromfile(folder / 'config.py').train_cfg.max_epochs == 2


@pytest.mark.parametrize('option, name', [('data', 'cells'), ('split', 'split.json'), ('weights', 'best_epoch_1.pth')])
def test_force_does_not_remove_what_the_training_reads(option, name, prepared):
    folder, again = prepared
    shutil.copytree(BLOOD_CELLS, folder / 'cells')
    for file in ('split.json', 'best_epoch_1.pth'):
        (folder / file).write_bytes(b'')
    with pytest.raises(UserError, match='--force would remove'):
        again(force=True, **{option: str(folder / name) if option == 'weights' else folder / name})
    assert (folder / name).exists()


@pytest.mark.parametrize(
    'arguments, why',
    [
        (('nowhere',), 'nowhere'),
        ((BLOOD_CELLS, '--epochs', '2', '--minutes', '3'), 'give one'),
        ((BLOOD_CELLS, '--task', 'masks'), 'permit boxes'),
        ((BLOOD_CELLS, '--backbone', 'resnet5'), 'sda-resnet50'),
        ((BLOOD_CELLS, '--weights', 'none.pth'), 'no weights'),
        ((BLOOD_CELLS, '--val-share', '1'), '--val-share'),
        ((BLOOD_CELLS, '--name', '../other'), '--name'),
    ],
)
def test_wrong_option_is_one_sentence(arguments, why, tmp_path, monkeypatch, capsys):
    sys.path.insert(0, str(ROOT / 'tools'))
    try:
        import fit as tool
    finally:
        sys.path.pop(0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', ['fit.py', *map(str, arguments)])
    with pytest.raises(UserError) as raised:
        tool.main()
    assert why in str(raised.value) and '\n' not in str(raised.value)


@pytest.mark.parametrize(
    'folder, name',
    [('cells.v2i.yolov8', 'cells.v2i.yolov8'), ("it's 100 % \\ä", "it's 100 % _ä"), ('say "cells"', 'say _cells_')],
)
def test_work_folder_is_called_like_the_data_set_as_far_as_a_config_can_be_there(folder, name, tmp_path):
    (tmp_path / folder).mkdir()
    assert default_name(tmp_path / folder) == name
    (tmp_path / 'boxes.csv').write_text('')
    assert default_name(tmp_path / 'boxes.csv') == 'boxes'


def test_folder_where_no_config_can_be_is_refused(tmp_path):
    with pytest.raises(UserError, match='quotation mark.*--name'):
        fit(small(BLOOD_CELLS, tmp_path / 'a "b"'))


def annotated(folder: Path, extents: list[tuple[int, int]], objects: int = 2) -> Path:
    """A data set with images of some sizes (width, height), objects of a third of their height in the first of them."""
    images, annotations = [], []
    for number, (width, height) in enumerate(extents):
        Image.effect_noise((width, height), 90 + number).save(folder / f'{number}.png')
        images.append(dict(id=number, file_name=f'{number}.png', width=width, height=height))
        side = height // 3
        annotations += (
            [
                dict(
                    id=len(annotations) + 1,
                    image_id=number,
                    category_id=1,
                    area=side * side,
                    iscrowd=0,
                    bbox=[side // 4, side // 4, side, side],
                )
            ]
            if number < objects
            else []
        )
    write_json(
        dict(images=images, annotations=annotations, categories=[dict(id=1, name='cell')]), folder / 'annotations.json'
    )
    return folder


def test_data_without_objects_to_validate_are_refused_before_the_training(tmp_path):
    (tmp_path / 'data').mkdir()
    data = annotated(tmp_path / 'data', [(64, 48)] * 4, objects=1)
    with pytest.raises(UserError, match='no objects to (compare with|learn from)'):
        fit(small(data, tmp_path / 'run'))


def test_anchors_are_chosen_for_images_of_all_sizes_as_they_are_resized(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr('mmattn.fit.run.measure', lambda cfg: Times(0.1, 5, 1.0))
    (tmp_path / 'data').mkdir()
    data = annotated(tmp_path / 'data', [(64, 48), (1280, 960), (128, 96), (256, 192)] * 3, objects=12)
    fit(small(data, tmp_path / 'run', image_size=128), only_config=True)
    assert '100.0 % of the boxes' in capsys.readouterr().out


def test_batch_is_halved_until_it_fits_into_the_memory(tmp_path, monkeypatch, capsys):
    tried = []

    def measure(cfg):
        tried.append((cfg.train_dataloader.batch_size, cfg.optim_wrapper.optimizer.lr))
        if tried[-1][0] > 2:
            raise UserError('the training fails in its first iteration') from torch.cuda.OutOfMemoryError('full')
        return Times(0.1, 5, 1.0)

    monkeypatch.setattr('mmattn.fit.run.measure', measure)
    fit(small(BLOOD_CELLS, tmp_path / 'run', batch=8), only_config=True)
    assert [batch for batch, _ in tried] == [8, 4, 2] and tried[0][1] > tried[2][1]
    assert Config.fromfile(tmp_path / 'run' / 'config.py').train_dataloader.batch_size == 2
    assert '2 images a batch instead' in capsys.readouterr().out


def trained(data: Path, folder: Path) -> tuple[list, dict]:
    """Boxes by part, and the weights after an epoch."""
    fit(small(data, folder), only_config=True)
    train(folder, 1)
    boxes = [
        [each['bbox'] for each in json.loads((folder / 'data' / f'{part}.json').read_text())['annotations']]
        for part in ('train', 'val')
    ]
    return boxes, torch.load(folder / 'epoch_1.pth', weights_only=False)['state_dict']


@pytest.fixture(scope='module')
def from_voc(tmp_path_factory):
    return trained(BLOOD_CELLS, tmp_path_factory.mktemp('voc') / 'run')


@pytest.mark.slow
@pytest.mark.parametrize('format', ['coco', 'csv', 'labelme'])  # YOLO's shares of the image lose the last digits
def test_same_data_in_another_format_give_the_same_training(format, from_voc, tmp_path):
    WRITERS[format](items_of(read_source(BLOOD_CELLS)), tmp_path / 'data')
    boxes, weights = trained(tmp_path / 'data', tmp_path / 'run')
    assert boxes == from_voc[0]
    assert weights.keys() == from_voc[1].keys()
    assert all(torch.equal(weights[key], value) for key, value in from_voc[1].items())
