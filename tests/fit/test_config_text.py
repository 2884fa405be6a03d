"""Configs that fit writes: short, readable, and what was decided."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import LinearLR

from mmattn.fit.anchors import Anchors
from mmattn.fit.choice import Choice
from mmattn.fit.config import config_text
from mmattn.fit.settings import Settings
from mmattn.fit.source_text import WIDTH, Name, assignment

BACKBONE = dict(type='mmattn.SDAResNet', depth=50, base_channels=16, norm_cfg=dict(type='GN', num_groups=8))
PRETRAINED = dict(
    type='mmattn.AttnResNet',
    depth=50,
    depth_attn=dict(type='mmattn.SDA', identity_init=True),
    init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'),
    norm_eval=True,
    frozen_stages=1,
)


def values(draw, depth=3):
    """A nested value of all kinds that a config has."""
    kind = draw.randrange(9 if depth else 6)
    if kind < 6:
        return [None, True, draw.random(), draw.randrange(1000), "text with 'quotes'", 'ä\n'][kind]
    count = draw.randrange(6)
    if kind == 6:
        return {f'key_{number}' * draw.randrange(1, 4): values(draw, depth - 1) for number in range(count)}
    return [list, tuple][kind - 7](values(draw, depth - 1) for _ in range(count))


@pytest.mark.parametrize('seed', range(20))
def test_assignment_is_python_that_gives_the_value(seed):
    value = values(random.Random(seed))
    text = assignment('name', value)
    found = {}
    exec(text, found)  # noqa: S102
    assert found['name'] == value and type(found['name']) is type(value)


def test_long_assignment_is_broken_into_lines_that_fit():
    text = assignment('model', dict(backbone=PRETRAINED, neck=dict(channels=[256, 512, 1024, 2048]), head=PRETRAINED))
    assert max(map(len, text.splitlines())) <= WIDTH and len(text.splitlines()) < 12


def test_variable_is_written_as_its_name():
    assert assignment('a', dict(b=Name('len(c)'), **{'**': Name('d')})) == 'a = dict(b=len(c), **d)'


def settings(task, classes=('a', 'b b'), parts=('train', 'val'), size='thin', norm='GN', backbone=BACKBONE, roots=1):
    found = Settings(
        task,
        size,
        'Title',
        classes,
        {part: Path('/data', 'many' if roots == 1 else f'place {part}') for part in parts},
        backbone,
        (64, 128, 256, 512) if task != 'classes' else (512,),
    )
    choices = {
        'image size': (320, 240) if task != 'classes' else 64,
        'batch': 2,
        'norm': norm,
        'learning rate': 1e-3,
        'precision': size == 'full',
        'flips': 'all',
        'size jitter': (0.8, 1.25),
        'anchors': Anchors((2.0, 2.52, 3.17), (0.33, 0.5, 1, 2, 3)),
    }
    for name, value in choices.items():
        found.choose(Choice(name, value, ''))
    return found


CASES = {
    'boxes': settings('boxes'),
    'masks': settings('masks'),
    'classes': settings('classes'),
    'test part': settings('masks', parts=('train', 'val', 'test')),
    'apart': settings('masks', parts=('train', 'val', 'test'), roots=3),
    'many classes': settings('boxes', classes=tuple(f'class {number}' for number in range(80))),
    'twenty classes': settings('boxes', classes=tuple(f'class {number}' for number in range(20))),
    'full': settings('masks', size='full', norm='frozen', backbone=PRETRAINED, parts=('train', 'val', 'test')),
    'full classes': settings('classes', size='full', norm='BN', classes=tuple(map(str, range(6)))),
}


@pytest.mark.parametrize('case', CASES)
def test_config_is_short_and_says_what_was_decided(case, tmp_path):
    chosen = CASES[case]
    path = tmp_path / 'run' / 'config.py'
    (path.parent / 'data').mkdir(parents=True)
    (path.parent / 'data' / 'classes.txt').write_text(''.join(f'{name}\n' for name in chosen.classes))
    text = config_text(chosen, path, epochs=10, val_interval=2, iterations=100, seed=7)
    path.write_text(text)
    lines = text.splitlines()
    assert len(lines) <= 40, text
    assert max(map(len, lines)) <= WIDTH
    cfg = Config.fromfile(path)
    assert cfg.train_cfg.max_epochs == 10 and cfg.randomness.seed == 7
    assert Path(cfg.work_dir) == path.parent
    data = cfg.train_dataloader.dataset
    prefix = data.data_prefix.get('img') or data.data_prefix.get('img_path')
    assert Path(prefix) == chosen.roots['train']
    assert Path(cfg.test_dataloader.dataset.data_root, cfg.test_dataloader.dataset.ann_file).stem == (
        'test' if 'test' in chosen.roots else 'val'
    )
    for name in ('dataset', 'sampler'):
        assert cfg.test_dataloader[name].type == cfg.val_dataloader[name].type
    assert cfg.test_evaluator.type == cfg.val_evaluator.type
    count = len(chosen.classes)
    if chosen.task == 'classes':
        assert cfg.model.head.num_classes == cfg.data_preprocessor.num_classes == count
        assert cfg.val_evaluator.topk == ((1, 5) if count > 5 else (1,))
    else:
        assert cfg.model.roi_head.bbox_head.num_classes == count
        assert list(cfg.model.rpn_head.anchor_generator.scales) == list(chosen['anchors'].scales)
        assert cfg.model.backbone.type == chosen.backbone['type'] and 'style' not in cfg.model.backbone
        assert ('segm' in cfg.val_evaluator.metric) == (chosen.task == 'masks')
    assert (cfg.optim_wrapper.type == 'AmpOptimWrapper') == (chosen.size == 'full')
    assert any(hook.type == 'mmattn.FoldNormsHook' for hook in cfg.custom_hooks) == (chosen['norm'] == 'frozen')


@pytest.mark.parametrize('epochs, iterations', [(1, 1), (2, 8), (10, 100)])
def test_learning_rate_reaches_what_was_chosen_however_short_the_training(epochs, iterations, tmp_path):
    text = config_text(CASES['boxes'], tmp_path / 'config.py', epochs, 1, iterations, 0)
    (tmp_path / 'config.py').write_text(text)
    rise = dict(Config.fromfile(tmp_path / 'config.py').param_scheduler[0])
    assert rise.pop('type') == 'LinearLR'
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    scheduler = LinearLR(optimizer, **rise)
    for _ in range(max(2, epochs * iterations)):
        optimizer.step()
        scheduler.step()
    assert optimizer.param_groups[0]['lr'] == pytest.approx(1e-3)
