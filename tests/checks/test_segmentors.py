"""Set-ups of segmentors that a run refuses in one line before it begins, and those that it lets through."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import mmattn.models  # noqa: F401  isort: skip  before mmseg
import cv2
import numpy as np
import pytest
import torch
from in_process import tool
from setups import segmentor
from test_run import check, refused

from mmattn.analysis.evaluation import Outputs
from mmattn.analysis.evaluation.predictions import LabelPictures
from mmattn.checks.drawing import check_drawing
from mmattn.checks.made_up import with_pixels
from mmattn.checks.run import build, check_run
from mmattn.engine.runner import check_sync_norms
from mmattn.errors import UserError

pytest.importorskip('mmseg')

DEMO = Path(__file__).resolve().parents[2] / 'configs' / 'demo' / 'deeplabv3plus_sda_nuclei.py'
THREE = dict(type='FCNHead', in_channels=256, channels=16, num_classes=3, num_convs=1, norm_cfg=dict(type='BN'))
ON_HEAD = dict(
    _delete_=True,
    type='mmattn.AttentionOn',
    backbone=THREE,
    feature_channels=[32, 64, 128, 256],
    at='convs.0',
    attn='mmattn.SE',
)


def write(path, value: int, *shape: int) -> None:
    cv2.imwrite(str(path), np.full(shape or (64, 64), value, np.uint8))


def without_labels(folder):
    shutil.rmtree(folder / 'labels' / 'val')


def without_a_pair(folder):
    (folder / 'labels' / 'train' / '0001.png').unlink()


# What is refused before anything is built: what becomes of the data, settings, and words of the line.
FILES = {
    'folder of label pictures missing': (
        without_labels,
        {},
        ["val label pictures are missing: no filled folder '", 'labels/val', 'val_dataloader.dataset.data_prefix'],
    ),
    'label picture of an image missing': (without_a_pair, {}, ['label pictures missing', '0001.png']),
    'labels beyond the classes': (
        lambda folder: write(folder / 'labels/train/0002.png', 2),
        {},
        ['labels beyond the classes', '0002.png: label 2', '2 classes'],
    ),
    'label picture of another size': (
        lambda folder: write(folder / 'labels/val/0000.png', 1, 32, 64),
        {},
        ['of another size', '64 x 32'],
    ),
    'colours in place of labels': (
        lambda folder: write(folder / 'labels/val/0000.png', 1, 64, 64, 3),
        {},
        ['label pictures of colours', '3 channels'],
    ),
    'folder of images elsewhere': (
        None,
        {'train_dataloader__dataset__data_prefix__img_path': 'nothing'},
        ["train images are missing: no filled folder '"],
    ),
}


@pytest.mark.parametrize('change, settings, words', FILES.values(), ids=FILES)
def test_missing_or_wrong_files_are_one_line(tmp_path, change, settings, words):
    cfg = segmentor(tmp_path, **settings)
    if change:
        change(tmp_path)
    line = refused(partial(check_run, cfg, ('train', 'val'), training=True, launcher='none'))
    assert all(word in line for word in words), line


# What is refused once it is built: settings, and words of the line.
BUILT = {
    'decode head for other classes': (
        {'model__decode_head__num_classes': 3},
        ['model.decode_head.num_classes is 3', '2 classes (ground, thing)', '--cfg-options model.decode_head.num_cl'],
    ),
    "a published config's classes": (
        {'model__decode_head__num_classes': 19, 'model__auxiliary_head__num_classes': 19},
        ['--cfg-options model.decode_head.num_classes=2 model.auxiliary_head.num_classes=2, or'],
    ),
    'decode head with attention': (
        {'model__decode_head': ON_HEAD},
        ['--cfg-options model.decode_head.backbone.num_classes=2, or'],
    ),
    'classes in another order': (
        {'val_dataloader__dataset__metainfo__classes': ('thing', 'ground')},
        ['the same classes in another order', "'ground' in train, 'thing' in val"],
    ),
    'batches of one image': ({'train_dataloader__batch_size': 1}, ['got one value a channel', 'more images per pro']),
    'a metric that there is not': (
        {'default_hooks__checkpoint__save_best': 'mIou'},
        ["is 'mIou', which val_evaluator does not compute; name one of aAcc, mIoU, mAcc"],
    ),
    'weights by the word before mmengine': (
        {'model__pretrained': 'open-mmlab://resnet50_v1c'},
        ['init_cfg=dict(type', 'pretrained=None to a model that hands it on'],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize('settings, words', BUILT.values(), ids=BUILT)
def test_wrong_settings_are_one_line(tmp_path, settings, words):
    line = refused(check, segmentor(tmp_path, **settings))
    assert all(word in line for word in words), line


def test_synchronised_norms_of_several_cpus_are_refused_with_their_settings(tmp_path, monkeypatch):
    monkeypatch.setenv('WORLD_SIZE', '2')
    cfg = segmentor(tmp_path, model__decode_head__norm_cfg__type='SyncBN')
    line = refused(check_sync_norms, torch.nn.SyncBatchNorm(4), cfg)
    assert '--cfg-options model.decode_head.norm_cfg.type=BN), or run one process' in line


def test_predictions_are_drawn_with_each_class(tmp_path):
    names = tuple(f'class {number} $\\frac{{$' for number in range(70))
    settings = {
        f'{split}_dataloader__dataset__metainfo': dict(_delete_=True, classes=names) for split in ('train', 'val')
    }
    heads = {f'model__{head}_head__num_classes': 70 for head in ('decode', 'auxiliary')}
    runner = build(segmentor(tmp_path, **settings, **heads), 'none', ('val',))
    loader = runner.val_loop.dataloader
    runner.model.eval()
    with torch.no_grad():
        [sample] = runner.model.val_step(next(iter(loader)))
    drawn = with_pixels(sample, range(70), (64, 64)).pred_sem_seg.data
    assert drawn.shape == (1, 64, 64) and drawn.unique().tolist() == list(range(64))
    runner.visualizer.dataset_meta = loader.dataset.metainfo
    check_drawing(runner, [sample])
    runner.visualizer.dataset_meta = dict(classes=names, palette=[(0, 0, 0)])
    for hook in runner.hooks:
        hook.before_val = lambda *_: None  # which adds colours
    line = refused(check_drawing, runner, [sample])
    assert 'of class 1 (' in line and 'correct the metainfo of the data sets (classes, palette)' in line


# The demo as it is, but for the size of its network and images, and its length.
SHORT = [
    'model.backbone.depth=None',
    'model.backbone.stage_blocks=1,1,1,1',
    'model.decode_head.channels=16',
    'model.auxiliary_head.channels=16',
    'train_dataloader.dataset.pipeline.2.scale=(64,64)',
    'train_dataloader.dataset.pipeline.3.crop_size=(64,64)',
    'val_dataloader.dataset.pipeline.1.scale=(64,64)',
    'test_dataloader.dataset.pipeline.1.scale=(64,64)',
    'model.data_preprocessor.size=(64,64)',
    'train_cfg.max_iters=4',
    'train_cfg.val_interval=4',
    'default_hooks.checkpoint.interval=4',
]


@pytest.mark.slow
def test_the_demo_is_checked_trained_and_tested_by_the_tools(tmp_path, monkeypatch, capfd):
    run = [DEMO, '--work-dir', tmp_path / 'work']
    assert tool(monkeypatch, 'train.py', *run, '--check', '--cfg-options', *SHORT) == 0
    assert 'are in place' in capfd.readouterr().out and not (tmp_path / 'work').exists()
    assert tool(monkeypatch, 'train.py', *run, '--cfg-options', *SHORT) == 0
    checkpoint, out = tmp_path / 'work' / 'iter_4.pth', tmp_path / 'out'
    outputs = [f'--out={name}' for name in (out / 'm.json', out / 'p.pkl', f'{out}/labels/')]
    capfd.readouterr()
    assert tool(monkeypatch, 'test.py', DEMO, checkpoint, *run[1:], *outputs, '--cfg-options', *SHORT) == 0
    said = capfd.readouterr()
    assert re.search(r'\| +nucleus +\| +[\d.]+ +\|', said.err + said.out)
    assert re.search(r'aAcc: [\d.]+  mIoU: [\d.]+  mAcc: [\d.]+', said.err + said.out)

    figures = json.loads((out / 'm.json').read_text())
    by_class = [figures[f'IoU/{name}'] for name in ('background', 'nucleus')]
    assert figures['mIoU'] == pytest.approx(sum(by_class) / 2) and 0 < figures['aAcc'] <= 100
    predictions = pickle.loads((out / 'p.pkl').read_bytes())
    names = (DEMO.parents[2] / 'demo' / 'nuclei_mini' / 'val.txt').read_text().split()
    assert [Path(each['img_path']).stem for each in predictions] == names
    hits = pixels = 0
    for name, prediction in zip(names, predictions, strict=True):
        assert not {'seg_logits', 'gt_sem_seg'} & prediction.keys()
        labels = cv2.imread(str(out / 'labels' / f'{name}.png'), cv2.IMREAD_UNCHANGED)
        assert labels.dtype == np.uint8 and np.array_equal(labels, prediction['pred_sem_seg']['data'][0])
        truth = cv2.imread(prediction['seg_map_path'], cv2.IMREAD_UNCHANGED)
        hits, pixels = hits + (labels == truth).sum(), pixels + truth.size
    assert figures['aAcc'] == pytest.approx(100 * hits / pixels)


def test_label_pictures_are_those_that_the_annotations_have(tmp_path):
    """One more where the data set leaves the label 0 out, with a number where a name is taken."""
    paths = ['a/1.jpg', 'b/1.jpg']
    writer = LabelPictures(tmp_path / 'labels', paths)
    for path, reduced in zip(paths, (True, False)):
        labels = dict(data=torch.tensor([[[0, 1], [2, 149]]]))
        writer.process(None, [dict(img_path=path, reduce_zero_label=reduced, pred_sem_seg=labels)])
    written = [
        cv2.imread(str(tmp_path / 'labels' / name), cv2.IMREAD_UNCHANGED).tolist() for name in ('1.png', '1-2.png')
    ]
    assert written == [[[1, 2], [3, 150]], [[0, 1], [2, 149]]]


@pytest.mark.parametrize('name', ['pictures/', 'pictures'])
def test_label_pictures_of_a_detector_are_refused(name):
    outputs = Outputs([name])
    model = SimpleNamespace(roi_head=None)
    runner = SimpleNamespace(test_evaluator=None, test_dataloader=SimpleNamespace(dataset=None), model=model)
    with pytest.raises(UserError, match="'pictures' is a folder for the label pictures of a segmentor.* of a detector"):
        outputs.attach(runner)
