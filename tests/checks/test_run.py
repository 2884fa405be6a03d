"""Set-ups that a run refuses in one line before its first iteration is over, and set-ups that it lets through."""

import json
from functools import partial
from pathlib import Path

import mmattn.models  # noqa: F401  isort: skip  before mmdet
import pytest
import torch
from mmengine.registry import MODELS
from mmengine.structures import InstanceData
from setups import CLASSES, classifier, detector, write_coco, write_folders

from mmattn.checks.batches import has_lone_image
from mmattn.checks.datasets import check_labels
from mmattn.checks.made_up import with_an_object
from mmattn.checks.run import build, check_built, check_run
from mmattn.checks.trial import try_run
from mmattn.engine.runner import train
from mmattn.errors import UserError

SPLITS = ('train', 'val')


def check(cfg, splits=SPLITS):
    """What ``--check`` does."""
    check_run(cfg, splits, training='train' in splits, launcher='none')
    try_run(cfg, splits)


def run(cfg, splits=SPLITS):
    """What a training does."""
    check_run(cfg, splits, training=True, launcher='none')
    runner = build(cfg, 'none', splits)
    check_built(runner, splits)
    train(runner)
    return runner


def refused(function, *arguments):
    """The line with which a function refuses a set-up."""
    with pytest.raises(UserError) as error:
        function(*arguments)
    line = str(error.value)
    assert '\n' not in line
    return line


# What a run refuses, as `--check` does: how the config comes about, and words of the line.
REFUSED = {
    'two-stage head with too few classes': (
        partial(detector, model__roi_head__bbox_head__num_classes=1),
        [
            'model.roi_head.bbox_head.num_classes is 1',
            '2 classes (round, square)',
            '--cfg-options model.roi_head.bbox_head.num_classes=2',
        ],
    ),
    'two-stage head with too many classes': (
        partial(detector, model__roi_head__bbox_head__num_classes=80),
        ['bbox_head.num_classes is 80'],
    ),
    'one-stage head': (
        partial(detector, kind='retina', model__bbox_head__num_classes=3),
        ['model.bbox_head.num_classes=2'],
    ),
    'mask head': (
        partial(detector, kind='mask', model__roi_head__mask_head__num_classes=1),
        ['mask_head.num_classes is 1'],
    ),
    'head of a classifier': (
        partial(classifier, model__head__num_classes=5),
        ['model.head.num_classes is 5', 'model.head.num_classes=2'],
    ),
    'labels as vectors of another length': (
        partial(
            classifier, model__train_cfg=dict(augments=dict(type='Mixup', alpha=0.2)), data_preprocessor__num_classes=10
        ),
        ['data_preprocessor.num_classes is 10'],
    ),
    'classes as one text': (partial(detector, train_dataloader__dataset__metainfo__classes='round'), ["'round'"]),
    'classes of the splits in another order': (
        partial(detector, val_dataloader__dataset__metainfo__classes=('square', 'round')),
        ['order'],
    ),
    'evaluator without masks': (
        partial(detector, val_evaluator__metric='segm'),
        ['val_evaluator cannot be computed', 'segm is not in'],
    ),
    'evaluator with too few numbers of proposals': (
        partial(detector, val_evaluator__proposal_nums=(100,)),
        ['val_evaluator cannot be computed', 'IndexError'],
    ),
    'evaluator with numbers of proposals without the 100 of mAP': (
        partial(detector, val_evaluator__proposal_nums=(1, 10, 50)),
        ['val_evaluator.proposal_nums is (1, 10, 50)', '-1', '"(1,10,100)"'],
    ),
    'evaluator of another library': (
        partial(detector, val_evaluator=dict(type='mmpretrain.Accuracy', _delete_=True)),
        ['val_evaluator'],
    ),
    'evaluator of an unknown type': (
        partial(detector, val_evaluator__type='CocoMetrics'),
        ['val_evaluator of the config', 'CocoMetrics'],
    ),
    'evaluator that is missing': (
        partial(detector, val_evaluator=None),
        ['no val_evaluator', 'val_dataloader=None val_cfg=None'],
    ),
    'top 5 of two classes': (partial(classifier, val_evaluator__topk=(1, 5)), ['val_evaluator cannot be computed']),
    'one of two evaluators': (
        partial(classifier, val_evaluator=[dict(type='Accuracy'), dict(type='Accuracy', topk=5, prefix='x')]),
        ['val_evaluator.1 cannot be computed'],
    ),
    'best checkpoint by a metric that there is not': (
        partial(
            detector, default_hooks__checkpoint=dict(type='CheckpointHook', save_best='coco/bbox_mAP50', rule='greater')
        ),
        ["save_best of the CheckpointHook is 'coco/bbox_mAP50'", 'coco/bbox_mAP_50'],
    ),
    'early end by a metric that there is not': (
        partial(classifier, custom_hooks=[dict(type='EarlyStoppingHook', monitor='accuracy/top5')]),
        ["monitor of the EarlyStoppingHook is 'accuracy/top5'", 'accuracy/top1'],
    ),
    'learning rate by a metric that there is not': (
        partial(classifier, param_scheduler=[dict(type='ReduceOnPlateauLR')]),
        ["param_scheduler.0.monitor is 'loss'"],
    ),
    'images smaller than min_size': (
        partial(detector, train_dataloader__dataset__filter_cfg__min_size=512),
        ['all 4 images of train_dataloader.dataset', 'filter_cfg min_size=512'],
    ),
    'fewer images than a batch that is dropped': (
        partial(classifier, train_dataloader__batch_size=8, train_dataloader__drop_last=True),
        ['4 images', 'train_dataloader.drop_last=False'],
    ),
    'BatchNorm over one value in every batch': (
        partial(classifier, model__backbone__norm_cfg=dict(type='BN', _delete_=True), train_dataloader__batch_size=1),
        ["norm_cfg=dict(type='GN'", 'norm_eval=True', 'drop_last'],
    ),
    'BatchNorm over one value in the last batch': (
        partial(classifier, model__backbone__norm_cfg=dict(type='BN', _delete_=True), train_dataloader__batch_size=3),
        ["norm_cfg=dict(type='GN'", 'norm_eval=True', 'train_dataloader.drop_last=True'],
    ),
    'no epoch': (partial(detector, train_cfg__max_epochs=0), ['train_cfg.max_epochs is 0']),
    'an evaluation from beyond the end on': (partial(detector, train_cfg__val_begin=2), ['train_cfg.val_begin is 2']),
    'an evaluation every 0 epochs': (partial(detector, train_cfg__val_interval=0), ['train_cfg.val_interval is 0']),
    'a learning rate of 0': (partial(detector, optim_wrapper__optimizer__lr=0), ['optim_wrapper.optimizer.lr is 0']),
    'no checkpoint at all': (
        partial(classifier, default_hooks__checkpoint=dict(type='CheckpointHook', interval=10, save_last=False)),
        ['saves every 10 epochs', 'save_last=True'],
    ),
    'wrong argument of a loader': (
        partial(classifier, train_dataloader__persistent_workers=True),
        ['train_dataloader of the config', 'persistent_workers'],
    ),
    'a failed assertion without a text': (
        partial(detector, model__backbone__out_indices=(1, 2, 3)),
        ['AssertionError at fpn.py', 'len(self.in_channels)'],
    ),
    'a loss that is no number': (
        partial(classifier, data_preprocessor__mean=[float('nan')] * 3, data_preprocessor__std=[1.0] * 3),
        ['first iteration', 'loss is nan'],
    ),
    'unknown transform': (
        partial(detector, train_dataloader__dataset__pipeline__1__type='LoadAnnotation'),
        ['train_dataloader.dataset.pipeline.1 of the config', 'LoadAnnotation is not in'],
    ),
    'unknown hook': (
        partial(detector, custom_hooks=[dict(type='EMAHooks')]),
        ['custom_hooks.0 of the config', 'EMAHooks'],
    ),
    'hook with a wrong value': (
        partial(detector, custom_hooks=[dict(type='EMAHook', momentum=7)]),
        ['first iteration', 'momentum must be'],
    ),
    'unknown visualizer': (
        partial(detector, visualizer__type='DetVisualizer'),
        ['visualizer of the config', 'DetVisualizer'],
    ),
    'unknown loop': (partial(detector, train_cfg__type='TrainLoop'), ['train_cfg of the config', 'TrainLoop']),
    'wrong argument of an optimizer': (
        partial(detector, optim_wrapper__optimizer__rate=1),
        ['optim_wrapper.optimizer of the config', 'rate'],
    ),
    'unknown scheduler': (
        partial(detector, param_scheduler=[dict(type='StepsLR', step_size=1)]),
        ['param_scheduler.0', 'StepsLR'],
    ),
    'indices beyond the data': (
        partial(detector, train_dataloader__dataset__indices=[0, 99]),
        ['train_dataloader.dataset', 'IndexError'],
    ),
    'masks that are not loaded': (
        partial(detector, kind='mask', train_dataloader__dataset__pipeline__1__with_mask=False),
        ['first iteration'],
    ),
    'channels that do not fit': (
        partial(classifier, model__head__in_channels=100),
        ['val_dataloader', 'shapes cannot be multiplied'],
    ),
    'nothing to learn': (
        partial(
            classifier,
            model__backbone__frozen_stages=4,
            optim_wrapper__paramwise_cfg=dict(custom_keys=dict(x=dict(lr_mult=0))),
            model__head__loss__type='NoLoss',
        ),
        ['NoLoss'],
    ),
    'mixed precision without a GPU': (
        partial(detector, optim_wrapper__type='AmpOptimWrapper'),
        ['optim_wrapper.type=OptimWrapper'],
    ),
    'half precision that a metric cannot take': (partial(detector, val_cfg__fp16=True), ['val_evaluator', 'BFloat16']),
    'ground truth that is not packed': (
        partial(detector, val_evaluator=dict(type='CocoMetric', _delete_=True)),
        ['ground truth is required'],
    ),
    'image ids that are not packed': (
        partial(
            detector,
            val_dataloader__dataset__pipeline__3__meta_keys=('img_path', 'ori_shape', 'img_shape', 'scale_factor'),
        ),
        ['val_dataloader.dataset', 'img_id'],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize('setup, words', REFUSED.values(), ids=REFUSED)
def test_a_run_refuses(tmp_path, setup, words):
    if torch.cuda.is_available() and 'OptimWrapper' in words[0]:
        pytest.skip('for a machine without a GPU')
    line = refused(run, setup(tmp_path))
    assert [word for word in words if word not in line] == [], line


@pytest.mark.slow
@pytest.mark.parametrize(
    'name',
    [
        'channels that do not fit',
        'a loss that is no number',
        'masks that are not loaded',
        'BatchNorm over one value in the last batch',
        'evaluator without masks',
    ],
)
def test_check_refuses_with_the_line_of_the_run_and_leaves_nothing(tmp_path, name):
    setup, words = REFUSED[name]
    line = refused(check, setup(tmp_path))
    assert [word for word in words if word not in line] == [], line
    assert not (tmp_path / 'work').exists()


def coco(folder, **changes):
    """A detector on COCO files that `changes` were made to, by file and key: functions of the file's content."""
    cfg = detector(folder)
    for name, change in changes.items():
        path = folder / f'{name}.json'
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))
    return cfg


def test_an_evaluator_with_images_of_another_split_that_have_the_same_ids(tmp_path):
    cfg = detector(tmp_path, val_evaluator__ann_file=str(write_coco(tmp_path, 'other', first=500, ids=101)))
    assert "has '0500.png' as image 101" in refused(run, cfg)


def test_an_evaluator_with_images_of_other_ids(tmp_path):
    cfg = detector(tmp_path, val_evaluator__ann_file=str(tmp_path / 'train.json'))
    line = refused(run, cfg)
    assert 'has no image with id 101' in line and '--cfg-options val_evaluator.ann_file=' in line


def test_an_evaluator_with_images_of_the_same_names_but_other_objects(tmp_path):
    cfg = detector(tmp_path)
    content = json.loads((tmp_path / 'val.json').read_text())
    for annotation in content['annotations']:
        annotation['bbox'] = [40, 40, 10, 10]
    (tmp_path / 'other.json').write_text(json.dumps(content))
    cfg.val_evaluator.ann_file = str(tmp_path / 'other.json')
    assert 'other objects in all of 4 images' in refused(run, cfg)


@pytest.mark.parametrize('classes', [('square', 'round'), ('round',), ('round', 'cubic'), ('x', 'square')])
def test_an_evaluator_with_other_categories(tmp_path, classes):
    cfg = detector(tmp_path)
    content = json.loads((tmp_path / 'val.json').read_text())
    content['categories'] = [dict(id=index + 1, name=name) for index, name in enumerate(classes)]
    (tmp_path / 'other.json').write_text(json.dumps(content))
    cfg.val_evaluator.ann_file = str(tmp_path / 'other.json')
    assert 'val_evaluator.ann_file' in refused(run, cfg)


def test_an_evaluator_with_more_images_than_the_data_set_is_told(tmp_path, capsys):
    check(detector(tmp_path, val_dataloader__dataset__indices=2))
    assert 'has 4 images, and the val data set 2 of them' in capsys.readouterr().out


def test_an_evaluator_with_the_annotations_of_two_data_sets_in_folders_of_their_own(tmp_path):
    cfg = detector(tmp_path)
    write_coco(tmp_path, 'more', first=50, ids=51)
    first, second = (json.loads((tmp_path / f'{name}.json').read_text()) for name in ('val', 'more'))
    for annotation in second['annotations']:
        annotation['id'] += 1000
    (tmp_path / 'both.json').write_text(
        json.dumps(
            dict(
                first,
                images=first['images'] + second['images'],
                annotations=first['annotations'] + second['annotations'],
            )
        )
    )
    data = cfg.val_dataloader.dataset.to_dict()
    cfg.val_dataloader.dataset = dict(
        type='ConcatDataset', datasets=[data, dict(data, ann_file='more.json', data_prefix=dict(img='more/'))]
    )
    cfg.val_evaluator.ann_file = str(tmp_path / 'both.json')
    check(cfg)


@pytest.mark.parametrize('crowds', [False, True])
def test_an_evaluator_without_an_object_is_told(tmp_path, capsys, crowds):
    cfg = detector(tmp_path)
    content = json.loads((tmp_path / 'val.json').read_text())
    content['annotations'] = [dict(each, iscrowd=1) for each in content['annotations'] if crowds]
    (tmp_path / 'val.json').write_text(json.dumps(content))
    check(cfg)
    assert 'AP will be -1' in capsys.readouterr().out
    cfg.val_evaluator.update(format_only=True, outfile_prefix=str(tmp_path / 'out'))
    check(cfg)
    assert 'AP will be -1' not in capsys.readouterr().out


def test_no_object_to_train_on(tmp_path):
    cfg = coco(tmp_path, train=lambda content: content['annotations'].clear())
    cfg.train_dataloader.dataset.filter_cfg = None
    assert 'no object' in refused(run, cfg)


def test_images_without_objects_that_are_filtered(tmp_path):
    cfg = coco(tmp_path, train=lambda content: content['annotations'].clear())
    assert 'object' in refused(run, cfg)


def test_two_folders_of_other_classes(tmp_path):
    write_folders(tmp_path, 'train', ('a', 'b'))
    write_folders(tmp_path, 'val', ('a', 'c'))
    assert 'class' in refused(run, classifier(tmp_path))


@pytest.mark.parametrize('names', [(1, 2), ('round', None)])
def test_classes_that_are_no_text(tmp_path, names):
    write_coco(tmp_path, 'train', classes=names)
    write_coco(tmp_path, 'val', classes=names, first=100, ids=101)
    cfg = detector(tmp_path)
    for split in SPLITS:
        cfg[f'{split}_dataloader'].dataset.metainfo.classes = names
    refused(run, cfg)


@pytest.mark.parametrize(
    'metainfo, drawn',
    [
        (dict(classes=CLASSES, palette=[(1, 2, 3)]), True),
        (dict(classes=('round', r'$\frac{$')), True),
        (dict(classes=CLASSES, palette=[(1, 2, 3), 'nothing']), False),
    ],
)
def test_what_check_passes_can_be_drawn(tmp_path, metainfo, drawn):
    write_coco(tmp_path, 'train', classes=metainfo['classes'])
    write_coco(tmp_path, 'val', classes=metainfo['classes'], first=100, ids=101)
    cfg = detector(tmp_path)
    for split in SPLITS:
        cfg[f'{split}_dataloader'].dataset.metainfo = metainfo
    cfg.default_hooks.visualization.update(draw=True, interval=1, score_thr=0.0)
    if drawn:
        run(cfg)
        check(cfg)
    else:
        assert 'cannot be drawn' in refused(check, cfg) and 'cannot be drawn' in refused(run, cfg)


def test_sync_norms_in_processes_without_a_gpu(tmp_path, monkeypatch):
    cfg = classifier(tmp_path, model__backbone__norm_cfg=dict(type='SyncBN', _delete_=True))
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '2')
    assert 'SyncBatchNorm' in refused(check, cfg)


@pytest.mark.parametrize('backend, package', [('WandbVisBackend', 'wandb'), ('ClearMLVisBackend', 'clearml')])
def test_a_visualization_backend_whose_package_is_missing(tmp_path, monkeypatch, backend, package):
    cfg = detector(tmp_path, visualizer__vis_backends=[dict(type=backend)])
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None if name == package else object())
    assert f'pip install {package}' in refused(check_run, cfg, SPLITS, True, 'none')


@MODELS.register_module(name='UnusedPartForTests', force=True)
class UnusedPart(torch.nn.Module):
    """A neck with a layer that it does not use."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 3)

    def forward(self, inputs):
        return tuple(each.mean((2, 3)) for each in inputs)


def write_large(folder: Path) -> None:
    """Images of which no feature map is one pixel: of these PyTorch 2.2 trains no GroupNorm."""
    for split in ('train', 'val'):
        write_folders(folder, split, size=64)


def test_parameters_without_gradients_in_several_processes(tmp_path, monkeypatch):
    write_large(tmp_path)
    cfg = classifier(tmp_path, model__neck=dict(type='UnusedPartForTests', _delete_=True))
    check(cfg)
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '2')
    assert 'neck.layer.weight, neck.layer.bias' in refused(check, cfg)
    cfg.find_unused_parameters = True
    check(cfg)


# Set-ups that are right, and look like others that are not.
RIGHT = {
    'mask': partial(detector, kind='mask'),
    'one stage': partial(detector, kind='retina'),
    'ground truth from the data set': partial(
        detector,
        val_evaluator=dict(type='CocoMetric', _delete_=True),
        val_dataloader__dataset__pipeline__3__meta_keys=(
            'img_id',
            'img_path',
            'ori_shape',
            'img_shape',
            'scale_factor',
            'instances',
        ),
    ),
    'iterations': partial(
        detector,
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=1, val_interval=1, _delete_=True),
        train_dataloader__sampler=dict(type='InfiniteSampler', _delete_=True),
    ),
    'a class-agnostic head': partial(
        detector,
        kind='mask',
        model__roi_head__mask_head__num_classes=80,
        model__roi_head__mask_head__class_agnostic=True,
    ),
    'repeated data': partial(
        classifier,
        train_dataloader__dataset=dict(
            _delete_=True,
            type='RepeatDataset',
            times=2,
            dataset=dict(type='CustomDataset', pipeline=[dict(type='LoadImageFromFile'), dict(type='PackInputs')]),
        ),
    ),
    'the best checkpoint alone': partial(
        classifier,
        default_hooks__checkpoint=dict(type='CheckpointHook', interval=10, save_last=False, save_best='auto'),
    ),
    'a best checkpoint': partial(detector, default_hooks__checkpoint=dict(type='CheckpointHook', save_best='auto')),
    'a metric per class': partial(detector, val_evaluator__classwise=True),
    'fewer proposals, without mAP': partial(
        detector, val_evaluator__proposal_nums=(1, 10, 50), val_evaluator__metric_items=['mAP_50']
    ),
    'proposals': partial(detector, val_evaluator__metric=['bbox', 'proposal']),
    'BatchNorm, last batch dropped': partial(
        classifier,
        model__backbone__norm_cfg=dict(type='BN', _delete_=True),
        train_dataloader__batch_size=3,
        train_dataloader__drop_last=True,
    ),
    'no validation': partial(detector, val_dataloader=None, val_cfg=None, val_evaluator=None),
    'batches of several images': partial(detector, val_dataloader__batch_size=3),
    'labels as vectors': partial(classifier, model__train_cfg=dict(augments=dict(type='Mixup', alpha=0.2))),
    'an average of the weights': partial(detector, custom_hooks=[dict(type='EMAHook')]),
}


@pytest.mark.slow
@pytest.mark.parametrize('setup', RIGHT.values(), ids=RIGHT)
def test_a_right_run_passes_check_trains_and_evaluates(tmp_path, setup):
    cfg = setup(tmp_path)
    if 'dataset' in cfg.train_dataloader.dataset:
        cfg.train_dataloader.dataset.dataset.data_prefix = str(tmp_path / 'train')
    check(cfg)
    assert not (tmp_path / 'work').exists()
    runner = run(cfg)
    assert runner.iter > 0


def test_a_rehearsal_leaves_no_figures_in_the_log(tmp_path):
    runner = build(detector(tmp_path), 'none', SPLITS)
    runner.logger.info('a logger remembers which levels it logs')
    check_built(runner, SPLITS)
    assert 'mAP' not in next((tmp_path / 'work').rglob('*.log')).read_text()


def test_made_up_labels_are_whole_numbers_where_a_model_has_none_as_floats():
    from mmdet.structures import DetDataSample

    sample = DetDataSample(
        metainfo=dict(ori_shape=(8, 8)),
        pred_instances=InstanceData(labels=torch.zeros(0), scores=torch.zeros(0), bboxes=torch.zeros(0, 4)),
    )
    assert with_an_object(sample).pred_instances.labels.tolist() == [0]
    assert with_an_object(sample).pred_instances.labels.dtype == torch.long


@pytest.mark.parametrize(
    'images, size, count, lone',
    [(4, 2, 1, False), (3, 2, 1, True), (4, 1, 1, True), (6, 2, 2, True), (4, 2, 2, False), (5, 4, 4, False)],
)
def test_batches_of_one_image_in_one_process_or_several(tmp_path, monkeypatch, images, size, count, lone):
    write_folders(tmp_path, 'train', ('a',), images=images)
    write_folders(tmp_path, 'train', ('b',), images=0)
    cfg = classifier(
        tmp_path,
        train_dataloader__batch_size=size,
        train_dataloader__dataset__classes=['a', 'b'],
        train_dataloader__dataset__ann_file='list.txt',
    )
    (tmp_path / 'list.txt').write_text(''.join(f'a/{index}.png {index % 2}\n' for index in range(images)))
    monkeypatch.setenv('LOCAL_WORLD_SIZE', str(count))
    runner = build(cfg, 'none', ('train',))
    assert has_lone_image(runner.train_dataloader) == lone


def test_labels_beyond_the_head_of_a_classifier_without_names(tmp_path):
    cfg = classifier(tmp_path, train_dataloader__dataset__ann_file='list.txt')
    (tmp_path / 'list.txt').write_text('a/0.png 0\na/1.png 1\nb/0.png 2\nb/1.png 0\n')
    assert 'the label 2' in refused(run, cfg)


@pytest.mark.parametrize('labels, largest', [([[0], [0, 1]], 1), ([[0], [0, 2]], 2), ([None, None], None)])
def test_labels_of_images_with_several_or_none(tmp_path, labels, largest):
    data = [
        dict(img_path=f'a/{index}.png', **({} if label is None else dict(gt_label=label)))
        for index, label in enumerate(labels)
    ]
    (tmp_path / 'labels.json').write_text(json.dumps(dict(metainfo={}, data_list=data)))
    cfg = classifier(
        tmp_path,
        val_dataloader__dataset=dict(
            type='MultiLabelDataset',
            ann_file=str(tmp_path / 'labels.json'),
            data_prefix=str(tmp_path / 'val'),
            pipeline=[dict(type='LoadImageFromFile'), dict(type='PackInputs')],
        ),
    )
    loaders = {'val': build(cfg, 'none', SPLITS)._val_loop.dataloader}
    if largest == 2:
        assert 'the label 2' in refused(check_labels, loaders, 2)
    else:
        check_labels(loaders, 2)


@pytest.mark.parametrize('split', SPLITS)
def test_images_of_different_sizes_that_nothing_resizes(tmp_path, split):
    cfg = classifier(tmp_path)
    write_folders(tmp_path, split, ('b',), images=1, size=48)
    line = refused(check_built, build(cfg, 'none', SPLITS), SPLITS)
    assert f'{split}_dataloader.dataset.pipeline' in line and '(3, 48, 48)' in line
    cfg[f'{split}_dataloader'].dataset.pipeline.insert(1, dict(type='Resize', scale=(32, 32)))
    check_built(build(cfg, 'none', SPLITS), SPLITS)


def test_images_of_different_sizes_that_come_late_in_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr('mmattn.checks.run.check_shapes', lambda *_: None)
    write_large(tmp_path)
    cfg = classifier(tmp_path)
    write_folders(tmp_path, 'train', ('b',), images=1, size=48)
    assert 'images of one batch have different sizes' in refused(run, cfg)


def test_an_evaluator_with_a_file_of_its_own_has_it_looked_through(tmp_path):
    cfg = detector(tmp_path)
    content = json.loads((tmp_path / 'val.json').read_text())
    content['annotations'][-1]['bbox'] = [5, 5, float('nan'), 9]
    (tmp_path / 'other.json').write_text(json.dumps(content))
    cfg.val_evaluator.ann_file = str(tmp_path / 'other.json')
    assert 'other.json' in refused(run, cfg)


@pytest.mark.slow
def test_the_checks_leave_the_training_as_it_is_without_them(tmp_path):
    states = []
    for checked in (False, True):
        cfg = classifier(
            tmp_path,
            randomness=dict(seed=0),
            train_dataloader__sampler__shuffle=True,
            model__backbone__norm_cfg=dict(type='BN', _delete_=True),
            train_dataloader__batch_size=3,
            train_dataloader__drop_last=True,
            val_evaluator__topk=(1, 2),
            train_dataloader__dataset__pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='RandomFlip', prob=0.5),
                dict(type='PackInputs'),
            ],
        )
        runner = build(cfg, 'none', SPLITS)
        if checked:
            check_built(runner, SPLITS)
        runner.train()
        assert runner.val_evaluator.metrics[0].results == []
        states.append(runner.model.state_dict())
    for key, value in states[0].items():
        assert torch.equal(value, states[1][key]), key
