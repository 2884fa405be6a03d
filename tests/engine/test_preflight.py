"""What the tools look for before they build anything."""

import pytest
import torch
from mmengine.config import Config

from mmattn.engine import preflight
from mmattn.errors import UserError


@pytest.fixture
def data(tmp_path):
    (tmp_path / 'images').mkdir()
    (tmp_path / 'images' / 'one.png').write_bytes(b'')
    (tmp_path / 'train.json').write_text('{}')
    return tmp_path


def dataset(root, ann_file='train.json', images='images/', **options):
    return dict(type='CocoDataset', data_root=str(root), ann_file=ann_file, data_prefix=dict(img=images), **options)


def config(inner, **others):
    return Config(dict(train_dataloader=dict(dataset=inner), **others))


@pytest.mark.parametrize('content', [{}, dict(model=dict()), dict(model=3, train_dataloader=dict())])
def test_a_config_without_its_parts(content):
    preflight.check_parts(Config(dict(model=dict(), train_dataloader=dict())), ('model', 'train_dataloader'))
    with pytest.raises(UserError, match="no '(model|train_dataloader)'"):
        preflight.check_parts(Config(content), ('model', 'train_dataloader'))


def test_data_in_place(data):
    preflight.check_data(config(dataset(data)), ('train', 'val'))


@pytest.mark.parametrize(
    'wrap, key',
    [
        (lambda inner: inner, 'dataset'),
        (lambda inner: dict(type='RepeatDataset', times=2, dataset=inner), 'dataset.dataset'),
        (lambda inner: dict(type='ConcatDataset', datasets=[inner]), 'dataset.datasets.0'),
        (lambda inner: dict(type='ClassBalancedDataset', dataset=dict(datasets=[inner])), 'dataset.dataset.datasets.0'),
    ],
)
def test_missing_data_is_named_with_its_key(data, wrap, key):
    preflight.check_data(config(wrap(dataset(data))), ('train',))
    with pytest.raises(UserError, match=rf"no folder '.*nowhere'.*train_dataloader\.{key}\.data"):
        preflight.check_data(config(wrap(dataset(data / 'nowhere'))), ('train',))


def test_missing_annotations_and_images(data):
    with pytest.raises(UserError, match="train annotations are missing: no file '.*none.json'"):
        preflight.check_data(config(dataset(data, ann_file='none.json')), ('train',))
    (data / 'empty').mkdir()
    with pytest.raises(UserError, match="train images are missing: no filled folder '.*empty'"):
        preflight.check_data(config(dataset(data, images='empty')), ('train',))
    with pytest.raises(UserError, match=r'\(and 1 more\)'):
        preflight.check_data(config(dataset(data, 'none.json', 'empty')), ('train',))


def test_absolute_paths_do_not_join_the_root(data):
    inner = dataset(data / 'images', str(data / 'train.json'), str(data / 'images'))
    preflight.check_data(config(inner), ('train',))


def test_data_elsewhere_is_not_looked_for(data):
    remote = dict(backend_args=dict(backend='petrel'))
    preflight.check_data(config(dataset('s3://bucket/coco/')), ('train',))
    preflight.check_data(config(dataset('nowhere', **remote)), ('train',))
    preflight.check_data(config(dict(type='CIFAR10', data_root='nowhere')), ('train',))


def test_only_what_the_run_reads_is_looked_for(data):
    cfg = config(
        dataset(data), val_dataloader=dict(dataset=dataset('nowhere')), val_evaluator=dict(ann_file='nowhere.json')
    )
    preflight.check_data(cfg, ('train', 'val'))  # no val_cfg: no validation
    cfg.val_cfg = dict(type='ValLoop')
    with pytest.raises(UserError, match='the val data'):
        preflight.check_data(cfg, ('train', 'val'))


def test_annotations_of_the_evaluator(data):
    cfg = config(dataset(data), train_evaluator=[dict(ann_file='nowhere.json')])
    with pytest.raises(UserError, match=r'train_evaluator\.0\.ann_file=FILE'):
        preflight.check_data(cfg, ('train',))


def test_pretrained_weights_count_in_training_only(data):
    model = dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='none.pth')))
    cfg = Config(dict(model=model))
    preflight.check_weights(cfg, training=False)
    with pytest.raises(
        UserError,
        match=r'model\.backbone\.init_cfg=None model\.backbone\.frozen_stages=-1 '
        r'model\.backbone\.norm_eval=False',
    ):
        preflight.check_weights(cfg, training=True)
    (data / 'none.pth').write_bytes(b'')
    cfg.model.backbone.init_cfg.checkpoint = str(data / 'none.pth')
    with pytest.raises(UserError, match=r'cannot read the checkpoint for model\.backbone\.init_cfg: .*none.pth'):
        preflight.check_weights(cfg, training=True)
    torch.save({'weight': torch.ones(1)}, data / 'none.pth')
    preflight.check_weights(cfg, training=True)
    cfg.model.backbone.init_cfg.checkpoint = 'torchvision://resnet50'
    preflight.check_weights(cfg, training=True)


def test_random_weights_of_other_parts_than_a_backbone(data):
    cfg = Config(dict(model=dict(head=dict(init_cfg=dict(type='Pretrained', checkpoint='none.pth')))))
    with pytest.raises(UserError, match=r'model\.head\.init_cfg=None$'):
        preflight.check_weights(cfg, training=True)


@pytest.mark.parametrize(
    'path, folder, said',
    [
        ('file/m.json', False, "file' is a file"),
        ('file/a/m.json', False, "file' is a file"),
        ('file', True, "file' is a file"),
        ('file/a', True, "file' is a file"),
        ('locked/a/m.json', False, "no permission to write in '.*locked'"),
        ('.', False, 'name a file in it'),
        ('file', False, None),
        ('.', True, None),
        ('new/m.json', False, None),
        ('new/a', True, None),
    ],
)
def test_places_to_write_to(tmp_path, monkeypatch, path, folder, said):
    (tmp_path / 'file').write_text('')
    (tmp_path / 'locked').mkdir()
    # Root may write anywhere.
    monkeypatch.setattr(preflight.os, 'access', lambda place, mode: place.name != 'locked')
    if said is None:
        preflight.check_output(tmp_path / path, folder)
        assert not (tmp_path / 'new').exists()
    else:
        with pytest.raises(UserError, match=said):
            preflight.check_output(tmp_path / path, folder)


@pytest.mark.parametrize('gpus, processes, fine', [(0, 4, True), (2, 2, True), (2, 4, False)])
def test_number_of_processes(monkeypatch, gpus, processes, fine):
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: gpus)
    monkeypatch.setenv('LOCAL_WORLD_SIZE', str(processes))
    if fine:
        preflight.check_gpus()
    else:
        with pytest.raises(UserError, match='4 processes.*has 2 GPUs'):
            preflight.check_gpus()


def test_library_of_the_config_must_be_installed():
    with pytest.raises(UserError, match='mmnothing, which is not installed'):
        preflight.check_packages(Config(dict(default_scope='mmnothing')))
