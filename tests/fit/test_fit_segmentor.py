"""fit for semantic segmentation: settings, config, and a training from label pictures or polygons to its report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from label_data import coloured, grey, truth, write_pairs
from mmengine.config import Config
from test_config_text import BACKBONE, PRETRAINED

import mmattn  # noqa: F401  isort: skip  before mmseg, which imports mmcv's operators
from mmattn.data.label_pictures.palette import voc_colour
from mmattn.data.write_labels import Written
from mmattn.engine import launch
from mmattn.errors import UserError
from mmattn.fit import backbones
from mmattn.fit.batch import Device, choose_batch, choose_norm, choose_rate
from mmattn.fit.choice import Choice
from mmattn.fit.config import config_text
from mmattn.fit.image_size import choose_patch, segmentor_size
from mmattn.fit.run import fit
from mmattn.fit.settings import Options, Settings
from mmattn.fit.source_text import WIDTH
from mmattn.fit.timing import Times

pytest.importorskip('mmseg')

NUCLEI = Path(__file__).resolve().parents[2] / 'demo' / 'nuclei_mini'
CPU = Device('CPU', None, False, 1)


@pytest.mark.parametrize(
    'image, size, longer, patch',
    [
        ((2048, 1024), 'thin', (512, 256), (256, 256)),
        ((2048, 1024), 'full', (1024, 512), (512, 512)),
        ((360, 300), 'thin', (360, 300), (256, 256)),
        ((250, 100), 'full', (250, 100), (224, 96)),
        ((40, 50), 'thin', (64, 80), (64, 64)),
        ((4000, 40), 'thin', (512, 32), (512 // 2, 64)),
    ],
)
def test_images_are_reduced_and_patches_cut_out_of_them(image, size, longer, patch):
    choice = segmentor_size([image] * 3, size)
    assert choice.value == longer
    assert choose_patch(choice.value, size).value == patch


def test_batch_norm_and_rate_of_a_segmentor():
    assert choose_batch('segmentor', 'thin', 256 * 256, 1000, CPU, False).value == 4
    assert choose_batch('segmentor', 'full', 512 * 512, 9999, Device('GPU', 24 * 2**30, True, 1), True).value == 16
    assert [choose_norm(*each, 'segmentor').value for each in ((True, 4), (False, 4), (True, 16))] == [
        'frozen', 'GN', 'BN'
    ]  # fmt: skip
    assert choose_rate('segmentor', 'full', 4, Device('GPU', 2**34, True, 4)).value == 0.01


def settings(classes=('background', 'a b'), parts=('train', 'val'), size='thin', norm='GN', backbone=BACKBONE):
    pictures = Written(
        Path('/data/many images'), '.jpg', classes, tuple(voc_colour(label) for label in range(len(classes))), {}
    )
    found = Settings(
        'semantic', size, 'Title', classes, dict.fromkeys(parts, Path('/data')), backbone, (64, 128, 256, 512),
        pictures=pictures,
    )  # fmt: skip
    choices = {
        'image size': (320, 240), 'patches': (256, 192), 'batch': 2, 'norm': norm, 'learning rate': 1e-3,
        'precision': size == 'full', 'flips': 'all', 'size jitter': (0.75, 1.5),
    }  # fmt: skip
    for name, value in choices.items():
        found.choose(Choice(name, value, ''))
    return found


CASES = {
    'thin': settings(),
    'test part': settings(parts=('train', 'val', 'test')),
    'twelve classes': settings(tuple(f'class {number}' for number in range(12))),
    'many classes': settings(tuple(f'class {number}' for number in range(90))),
    'frozen': settings(size='full', norm='frozen', backbone=PRETRAINED, parts=('train', 'val', 'test')),
    'batch norm': settings(size='full', norm='BN'),
}


@pytest.mark.parametrize('case', CASES)
def test_config_is_short_and_its_model_fits_its_data(case, tmp_path):
    chosen = CASES[case]
    path = tmp_path / 'run' / 'config.py'
    (path.parent / 'data').mkdir(parents=True)
    (path.parent / 'data' / 'classes.txt').write_text(''.join(f'{name}\n' for name in chosen.classes))
    text = config_text(chosen, path, epochs=10, val_interval=2, iterations=100, seed=7)
    path.write_text(text)
    assert len(text.splitlines()) <= 45 and max(map(len, text.splitlines())) <= WIDTH, text
    cfg = Config.fromfile(path)
    model, data = cfg.model, cfg.train_dataloader.dataset
    assert data.data_prefix == dict(img_path='/data/many images/', seg_map_path='labels') and data.img_suffix == '.jpg'
    assert Path(data.data_root) == path.parent / 'data' and data.ann_file == 'train.txt'
    assert cfg.test_dataloader.dataset.ann_file == ('test.txt' if 'test' in chosen.roots else 'val.txt')
    assert cfg.val_dataloader.dataset.test_mode and cfg.val_evaluator.type == 'IoUMetric'
    for head, channels in ((model.decode_head, 512), (model.auxiliary_head, 256)):
        assert head.num_classes == len(chosen.classes) and head.in_channels == channels
        assert head.norm_cfg.type == ('BN' if chosen['norm'] == 'BN' else 'GN')
    assert model.data_preprocessor['size'] == (192, 256) and model.backbone.type == chosen.backbone['type']
    assert model.get('pretrained') is None and cfg.log_processor.by_epoch
    assert cfg.train_dataloader.get('drop_last', False) == (chosen['norm'] == 'BN')
    launch.register_modules(cfg)
    from mmengine.registry import DATASETS

    (path.parent / 'data' / 'train.txt').write_text('a\n')
    built = DATASETS.build({**data, 'type': f'mmseg.{data.type}', 'pipeline': [], 'lazy_init': True})
    assert tuple(built.metainfo['classes']) == chosen.classes
    assert len(built.metainfo['palette']) == len(chosen.classes)


@pytest.mark.parametrize('name', ['sda-resnet50', 'epsanet50', 'mspanet-b50', 'pyconv50'])
def test_backbone_of_a_segmentor_has_an_output_of_stride_16(name):
    import torch
    from mmengine.registry import MODELS

    model = MODELS.build(backbones.thin(backbones.for_pixels(backbones.read(name), False), 'GN')).eval()
    with torch.no_grad():
        assert [output.shape[-1] for output in model(torch.zeros(1, 3, 64, 64))] == [16, 8, 4, 4]


def options(data: Path, work_dir: Path, **more: object) -> Options:
    return Options(data, work_dir, **{'backbone': 'resnet50', 'epochs': 1, 'image_size': 64, 'batch': 2, **more})


@pytest.fixture
def unmeasured(monkeypatch):
    monkeypatch.setattr('mmattn.fit.run.measure', lambda cfg: Times(0.1, 5, 1.0))


def test_polygons_with_task_semantic_give_label_pictures_with_background(tmp_path, unmeasured):
    fit(options(NUCLEI, tmp_path / 'run', task='semantic'), only_config=True)
    cfg = Config.fromfile(tmp_path / 'run' / 'config.py')
    assert tuple(cfg.train_dataloader.dataset.metainfo.classes) == ('background', 'nucleus')
    names = (tmp_path / 'run' / 'data' / 'val.txt').read_text().split()
    assert [Path(name).name for name in names] == (NUCLEI / 'val.txt').read_text().split()
    assert all((tmp_path / 'run' / 'data' / 'labels' / f'{name}.png').is_file() for name in names)


def test_label_pictures_permit_nothing_else_and_boxes_no_segmentor(tmp_path, unmeasured):
    write_pairs(tmp_path / 'data', grey)
    with pytest.raises(UserError, match='has label pictures, which permit semantic'):
        fit(options(tmp_path / 'data', tmp_path / 'run', task='boxes'), only_config=True)
    boxes = NUCLEI.parents[1] / 'tests' / 'fixtures' / 'blood_cells'
    with pytest.raises(UserError, match='--task semantic needs other annotations: .* has boxes, which permit boxes'):
        fit(options(boxes, tmp_path / 'other', task='semantic'), only_config=True)


def test_split_has_all_classes_on_both_sides_and_is_kept(tmp_path, unmeasured, capsys):
    write_pairs(tmp_path / 'data', coloured, count=10)
    fit(options(tmp_path / 'data', tmp_path / 'run'), only_config=True)
    parts = [(tmp_path / 'run' / 'data' / f'{part}.txt').read_text().split() for part in ('train', 'val')]
    assert [len(part) for part in parts] == [8, 2] and not set(parts[0]) & set(parts[1])
    kept = json.loads((tmp_path / 'run' / 'split.json').read_text())
    assert [name.removesuffix('.png') for name in kept['val']] == parts[1]
    assert 'colour-coded' in capsys.readouterr().out


def test_classes_of_no_training_image_are_said(tmp_path, unmeasured, capsys):
    write_pairs(
        tmp_path / 'data',
        lambda labels: grey(labels.clip(max=1)),
        names=lambda number: (f'{part_of(number)}/images/{number}.png', f'{part_of(number)}/labels/{number}.png'),
    )
    grey(truth(0)).save(tmp_path / 'data' / 'val' / 'labels' / '0.png')
    (tmp_path / 'data' / 'classes.txt').write_text('sky\nroad\ntree\ncar\n')
    fit(options(tmp_path / 'data', tmp_path / 'a run'), only_config=True)
    out = capsys.readouterr().out
    assert f"train with: python tools/train.py '{tmp_path}/a run/config.py'" in out
    assert 'classes that never occur in the training images: 2 (tree, car)' in out
    assert 'classes that never occur in the validation images: 1 (car)' in out


def part_of(number: int) -> str:
    return 'val' if number == 0 else 'train'


def test_without_the_library_nothing_is_written(tmp_path, monkeypatch):
    write_pairs(tmp_path / 'data', grey)
    monkeypatch.setattr('mmattn.engine.preflight.importlib.util.find_spec', lambda name: None)
    with pytest.raises(UserError, match='mmseg, which is not installed; install'):
        fit(options(tmp_path / 'data', tmp_path / 'run'))
    assert not (tmp_path / 'run' / 'data').exists()


@pytest.mark.slow
def test_training_on_colour_coded_pictures_ends_with_a_report_and_goes_on(tmp_path, capsys):
    write_pairs(tmp_path / 'data', coloured, count=5)
    asked = options(tmp_path / 'data', tmp_path / 'run')
    fit(asked)
    out = capsys.readouterr().out
    assert 'DeepLabV3+, resnet50, thin' in out and 'measuring' in out and 'mIoU' in out
    assert {'report.html', 'metrics.json'} <= {path.name for path in (tmp_path / 'run' / 'report').iterdir()}
    assert list((tmp_path / 'run').glob('best_mIoU*.pth'))
    fit(asked, only_config=True)
    out = capsys.readouterr().out
    assert 'going on with it' in out and 'measuring' not in out
