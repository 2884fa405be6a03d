"""What a run loads: every form that the check reads, whole, in part or not at all, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import mmattn.models  # noqa: F401  isort: skip  before mmdet
import pytest
import safetensors.torch
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.model import BaseModel, BaseModule, PretrainedInit
from mmengine.registry import DATASETS, MODELS, RUNNERS
from mmengine.runner import CheckpointLoader, Runner
from mmengine.runner.checkpoint import load_checkpoint, load_from_local
from torch import nn
from torch.utils.data import Dataset

from mmattn.engine.loading import one_reader
from mmattn.engine.preflight import check_weights
from mmattn.engine.runner import build_runner, train
from mmattn.engine.trained import load_trained
from mmattn.errors import UserError
from mmattn.weights.loading import read_checkpoint

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason='for a machine without a GPU')


@DATASETS.register_module(name='OnesForTests', force=True)
class Ones(Dataset):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> dict:
        return dict(inputs=torch.ones(4))


@MODELS.register_module(name='StockForTests', force=True)
class Stock(BaseModule):
    """A backbone of another library, which loads what its `init_cfg` names by mmengine."""

    def __init__(self, init_cfg: dict | None = None, by_class: bool = False) -> None:
        super().__init__({**init_cfg, 'type': PretrainedInit} if by_class else init_cfg)
        self.a, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)


@MODELS.register_module(name='SumForTests', force=True)
class Sum(BaseModel):
    def __init__(self, classes: int = 3, teacher: str | None = None, **options) -> None:
        super().__init__(**{k: v for k, v in options.items() if k == 'init_cfg'})
        self.backbone = MODELS.build(dict(type='StockForTests') | options.get('backbone', {}))
        self.head = nn.Linear(4, classes)
        if teacher is not None:
            load_checkpoint(self, teacher)

    def forward(self, inputs, mode):
        return dict(loss=self.head(self.backbone.norm(self.backbone.a(inputs))).square().mean())


def config(work_dir: Path, **changes) -> Config:
    return Config(
        {
            **dict(
                model=dict(type='SumForTests'),
                work_dir=str(work_dir),
                randomness=dict(seed=0),
                train_dataloader=dict(
                    batch_size=2,
                    num_workers=0,
                    dataset=dict(type='OnesForTests'),
                    sampler=dict(type='DefaultSampler', shuffle=False),
                    collate_fn=dict(type='default_collate'),
                ),
                train_cfg=dict(by_epoch=True, max_epochs=1),
                optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1, momentum=0.9)),
                param_scheduler=dict(type='MultiStepLR', by_epoch=True, milestones=[1]),
            ),
            **changes,
        }
    )


def random_state(model: nn.Module) -> dict:
    return {k: torch.rand(v.shape) if v.is_floating_point() else v for k, v in model.state_dict().items()}


@pytest.fixture
def state() -> dict:
    return random_state(Sum())


@pytest.fixture
def said(monkeypatch):
    """The lines that were logged of what does not fit."""
    records = []
    monkeypatch.setattr(MMLogger, 'handle', lambda logger, record: records.append(record))
    return lambda: [
        line for line in (record.getMessage() for record in records) if line.startswith(('load_from ', 'resume '))
    ]


FORMS = {
    'bare': lambda s: s,
    'state_dict': lambda s: {'state_dict': s, 'meta': {}},
    'model': lambda s: {'model': s, 'epoch': 3},
    'net': lambda s: {'net': s},
    'other name': lambda s: {'model_state_dict': s, 'optimizer_state_dict': {'state': {}}, 'loss': torch.ones(1)},
    'DDP': lambda s: {'state_dict': {f'module.{k}': v for k, v in s.items()}},
    'compiled': lambda s: {'model': {f'_orig_mod.{k}': v for k, v in s.items()}},
    'compiled DDP': lambda s: {f'module._orig_mod.{k}': v for k, v in s.items()},
    'compiled inside': lambda s: {k.replace('backbone.', 'backbone._orig_mod.'): v for k, v in s.items()},
    'average': lambda s: {'n_averaged': torch.tensor(3), **{f'module.{k}': v for k, v in s.items()}},
    'safetensors': None,
    'legacy': None,
}


@pytest.fixture(params=FORMS)
def save(request, tmp_path):
    """Saves a state dict in one of the forms; returns the path."""

    def function(state: dict) -> str:
        path = tmp_path / 'weights.pth'
        if request.param == 'safetensors':
            path = path.with_suffix('.safetensors')
            safetensors.torch.save_file(state, path)
        elif request.param == 'legacy':
            torch.save(state, path, _use_new_zipfile_serialization=False)
        else:
            torch.save(FORMS[request.param](state), path)
        return str(path)

    return function


def holds(model: nn.Module, state: dict) -> bool:
    return all(torch.equal(model.state_dict()[key], value) for key, value in state.items())


def test_load_from_takes_every_form_that_the_check_reads(tmp_path, save, state, said):
    cfg = config(tmp_path / 'run', load_from=save(state))
    check_weights(cfg, training=True)
    runner = build_runner(cfg, 'none', ('train',))
    runner.load_or_resume()
    assert holds(runner.model, state) and said() == []


@pytest.mark.parametrize('by_class', [False, True], ids=['name', 'class'])  # as configs of pure Python have it
def test_init_cfg_of_a_stock_module_takes_every_form_that_the_check_reads(tmp_path, save, state, by_class):
    init_cfg = dict(type='Pretrained', checkpoint=save(state), prefix='backbone.')
    backbone = dict(init_cfg=init_cfg, by_class=by_class)
    cfg = config(tmp_path / 'run', model=dict(type='SumForTests', backbone=backbone))
    check_weights(cfg, training=True)
    model = build_runner(cfg, 'none', ('train',)).model
    assert holds(model.backbone, {k.removeprefix('backbone.'): v for k, v in state.items() if 'backbone' in k})


def test_a_model_that_loads_another_while_it_is_built(tmp_path, save, state):
    model = dict(type='SumForTests', teacher=save(state))
    assert holds(build_runner(config(tmp_path / 'run', model=model), 'none', ('train',)).model, state)


def test_tools_that_test_or_show_a_model_load_every_form_that_the_check_reads(save, state):
    cfg = Config(dict(model=dict(type='SumForTests'), default_scope='mmengine'))
    assert holds(load_trained(cfg, save(state)).model, state)


def test_mmengine_reads_as_before_afterwards(tmp_path):
    with one_reader():
        assert CheckpointLoader._get_checkpoint_loader('x.pth') is not load_from_local
    assert CheckpointLoader._get_checkpoint_loader('x.pth') is load_from_local


@pytest.mark.parametrize(
    'prefix, advice',
    [
        ('', "give init_cfg prefix='backbone.', with which 7 do"),
        ('bakbone.', "prefix='bakbone.': give init_cfg prefix='backbone.'"),
    ],
)
def test_init_cfg_of_a_stock_module_of_which_nothing_fits_is_an_error_with_the_prefix(tmp_path, state, prefix, advice):
    torch.save(state, tmp_path / 'x.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'x.pth'), prefix=prefix or None)
    with pytest.raises(UserError) as error:
        build_runner(
            config(tmp_path, model=dict(type='SumForTests', backbone=dict(init_cfg=init_cfg))), 'none', ('train',)
        )
    assert advice in str(error.value) and '\n' not in str(error.value)


# ----- load_from


@pytest.mark.parametrize(
    'change, message',
    [
        (
            lambda s: {f'encoder_q.{k}': v for k, v in s.items()},
            "9 of its 9 would fit without the prefix 'encoder_q.' of their names); give model.init_cfg=dict(type=",
        ),
        (
            lambda s: {k.removeprefix('backbone.'): v for k, v in s.items() if 'backbone' in k},
            "7 of its 7 would fit as weights of the model's 'backbone'); give model.backbone.init_cfg=dict(type=",
        ),
        (lambda s: {'patch_embed.weight': torch.ones(3)}, 'it lacks 8 of 9 tensors, the first: backbone.a.weight, '),
    ],
)
def test_load_from_of_which_nothing_fits_is_an_error_before_the_data_are_read(tmp_path, state, change, message):
    torch.save(change(state), tmp_path / 'x.pth')
    cfg = config(tmp_path, load_from=str(tmp_path / 'x.pth'))
    cfg.train_dataloader.dataset.type = 'not there'
    with pytest.raises(UserError, match=r"load_from: nothing of '.*x.pth' fits the model") as error:
        build_runner(cfg, 'none', ('train',))
    assert message in str(error.value) and '\n' not in str(error.value)


def test_load_from_of_which_a_part_fits_is_a_line_with_count_and_names(tmp_path, state, said):
    other = random_state(Sum(classes=5))
    del other['backbone.a.bias']
    torch.save({**other, 'x.y': torch.ones(1)}, tmp_path / 'x.pth')
    runner = build_runner(config(tmp_path, load_from=str(tmp_path / 'x.pth')), 'none', ('train',))
    runner.train()
    (line,) = said()
    for text in (
        'load_from ',
        'x.pth: loaded 5 of 8 tensors of the model',
        'stay as initialised: backbone.a.bias',
        '2 are of another shape and stay as initialised: head.weight (5, 4), here (3, 4), head.bias (5,)',
        '1 of it are unused: x.y',
    ):
        assert text in line


def test_attention_of_frozen_stages_that_load_from_lacks_is_trained(tmp_path):
    options = dict(type='mmattn.AttnResNet', depth=50, base_channels=8, norm_cfg=dict(type='GN', num_groups=2))
    torch.save(MODELS.build(options).state_dict(), tmp_path / 'plain.pth')

    @MODELS.register_module(name='TrunkForTests', force=True)
    class Trunk(BaseModel):
        def __init__(self, **more) -> None:
            super().__init__()
            self.backbone = MODELS.build(options | more)

        def forward(self, inputs, mode):
            return {}

    torch.save({f'backbone.{k}': v for k, v in torch.load(tmp_path / 'plain.pth').items()}, tmp_path / 'whole.pth')
    model = dict(type='TrunkForTests', attn='mmattn.SE', frozen_stages=1)
    stage = build_runner(
        config(tmp_path, model=model, load_from=str(tmp_path / 'whole.pth')), 'none', ('train',)
    ).model.backbone.layer1
    assert all(p.requires_grad for p in stage[0].attn.parameters())
    assert not any(p.requires_grad for p in stage[0].conv1.parameters())


# ----- resume


@pytest.fixture
def trained(tmp_path) -> Path:
    """Checkpoint of a training of one epoch."""
    build_runner(config(tmp_path / 'first'), 'none', ('train',)).train()
    return tmp_path / 'first' / 'epoch_1.pth'


def resumed(tmp_path: Path, checkpoint: Path | str | None, **changes):
    return config(
        tmp_path / 'second',
        resume=True,
        load_from=checkpoint and str(checkpoint),
        train_cfg=dict(by_epoch=True, max_epochs=2),
        **changes,
    )


def edited(path: Path, edit) -> Path:
    content = torch.load(path, weights_only=False)
    edit(content)
    torch.save(content, path)
    return path


def test_a_training_goes_on_without_a_word(tmp_path, trained, said):
    runner = build_runner(resumed(tmp_path, trained), 'none', ('train',))
    runner.train()
    assert runner.epoch == 2 and said() == []


def test_a_training_goes_on_from_compiled_weights(tmp_path, trained, said):
    def edit(content):
        content['state_dict'] = {f'_orig_mod.{k}': v for k, v in content['state_dict'].items()}

    runner = build_runner(resumed(tmp_path, edited(trained, edit)), 'none', ('train',))
    runner.train()
    assert runner.epoch == 2 and said() == []


@pytest.mark.parametrize(
    'edit, message',
    [
        (lambda c: c['state_dict'].pop('head.bias'), 'it lacks 1 of 9 tensors, the first: head.bias'),
        (
            lambda c: c['state_dict'].update({'head.bias': torch.ones(5)}),
            r'1 tensors have another shape, the first: size mismatch for head.bias: \(5,\) in the checkpoint, \(3,\)',
        ),
        (
            lambda c: c['state_dict'].update({'neck.weight': torch.ones(5)}),
            'have no place in the model, the first: neck',
        ),
        (lambda c: c.update(state_dict={'x.weight': torch.ones(1)}), 'it lacks 8 of 9 tensors'),
        (
            lambda c: c.update(state_dict={f'model.{k}': v for k, v in c['state_dict'].items()}),
            "9 of its 9 would fit without the prefix 'model.'",
        ),
        (lambda c: c.pop('message_hub'), "weights without the state of a training.*'message_hub'"),
        (lambda c: c.pop('meta'), "weights without the state of a training.*'meta'"),
        (lambda c: c['meta'].pop('iter'), "weights without the state of a training.*'iter'"),
    ],
)
def test_resume_from_what_does_not_fit_is_an_error_before_the_data_are_read(tmp_path, trained, edit, message):
    cfg = resumed(tmp_path, edited(trained, edit))
    cfg.train_dataloader.dataset.type = 'not there'
    with pytest.raises(UserError, match=f"cannot go on from '.*epoch_1.pth', which .*{message}.*load_from=") as error:
        build_runner(cfg, 'none', ('train',))
    assert '\n' not in str(error.value)


def test_resume_from_weights_alone_is_an_error(tmp_path, state):
    safetensors.torch.save_file(state, tmp_path / 'x.safetensors')
    with pytest.raises(UserError, match='weights without the state of a training'):
        build_runner(resumed(tmp_path, tmp_path / 'x.safetensors'), 'none', ('train',))


def test_resume_with_a_state_of_another_optimiser_is_one_line(tmp_path, trained):
    def edit(content):
        content['optimizer']['param_groups'][0]['params'].pop()

    runner = build_runner(resumed(tmp_path, edited(trained, edit)), 'none', ('train',))
    with pytest.raises(UserError, match='cannot go on from .*the state of its training does not fit') as error:
        runner.train()
    assert '\n' not in str(error.value)


def test_resume_without_the_state_of_the_optimiser_is_said(tmp_path, trained, said):
    runner = build_runner(resumed(tmp_path, edited(trained, lambda c: c.pop('optimizer'))), 'none', ('train',))
    runner.train()
    assert [line for line in said() if 'no state of the optimizer, which starts anew' in line]


def test_a_training_with_averaged_weights_goes_on(tmp_path, said):
    hooks = [dict(type='EMAHook', momentum=0.5)]
    build_runner(config(tmp_path / 'first', custom_hooks=hooks), 'none', ('train',)).train()
    checkpoint = tmp_path / 'first' / 'epoch_1.pth'
    content = torch.load(checkpoint, weights_only=False)
    runner = build_runner(resumed(tmp_path, checkpoint, custom_hooks=hooks), 'none', ('train',))
    runner.call_hook('before_run')
    runner.resume(str(checkpoint))
    # the file has the average as its weights, and the trained weights as its average
    assert torch.equal(runner.model.head.weight, content['ema_state_dict']['module.head.weight'])


def test_a_model_that_renames_the_keys_of_others_is_filled_where_shapes_differ(tmp_path, said):
    """As mmdet's semi-supervised detectors, which load those of plain ones, with another number of classes."""

    @MODELS.register_module(name='StudentForTests', force=True)
    class Student(BaseModel):
        def __init__(self) -> None:
            super().__init__()
            self.student = Sum()

        def _load_from_state_dict(self, state_dict, *args):
            for key in [k for k in state_dict if not k.startswith('student.')]:
                state_dict[f'student.{key}'] = state_dict.pop(key)
            super()._load_from_state_dict(state_dict, *args)

        def forward(self, inputs, mode):
            return self.student(inputs, mode)

    state = random_state(Sum(classes=5))
    torch.save(state, tmp_path / 'x.pth')
    cfg = config(tmp_path, model=dict(type='StudentForTests'), load_from=str(tmp_path / 'x.pth'))
    model = build_runner(cfg, 'none', ('train',)).model
    assert torch.equal(model.student.backbone.a.weight, state['backbone.a.weight'])
    (line,) = said()
    assert '2 are of another shape and stay as initialised: student.head.weight, student.head.bias' in line


def test_keys_of_older_versions_are_left_alone_in_a_checkpoint_that_says_its_version(tmp_path):
    """As mmdet's FCOS, which takes keys without a version for those of an early one."""

    @MODELS.register_module(name='VersionForTests', force=True)
    class Version(Sum):
        def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):
            assert local_metadata.get('version') == 1
            super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)

    torch.save({'model': nn.DataParallel(Version()).state_dict()}, tmp_path / 'x.pth')
    cfg = config(tmp_path, model=dict(type='VersionForTests'), load_from=str(tmp_path / 'x.pth'))
    build_runner(cfg, 'none', ('train',)).load_or_resume()


# ----- files of strangers


class Code:
    """Pickles as a program that makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return Path.touch, (self.marker,)


@RUNNERS.register_module(name='RunnerForTests', force=True)
class OtherRunner(Runner):
    """A runner of another class, as a config's `runner_type` names it."""


def test_a_runner_of_another_class_reads_safely(tmp_path, trained, state):
    safetensors.torch.save_file(state, tmp_path / 'x.safetensors')
    cfg = config(tmp_path / 'second', runner_type='RunnerForTests', load_from=str(tmp_path / 'x.safetensors'))
    runner = build_runner(cfg, 'none', ('train',))
    assert type(runner) is OtherRunner
    train(runner)
    marker = tmp_path / 'marker'
    program = f'import pathlib; pathlib.Path({str(marker)!r}).touch()'
    path = edited(trained, lambda content: content['meta'].update(config=program))
    train(build_runner(resumed(tmp_path, path, runner_type='RunnerForTests'), 'none', ('train',)))
    assert not marker.exists()
    path = edited(trained, lambda content: content['meta'].update(code=Code(marker)))
    with pytest.raises(UserError, match='is refused: it'):
        train(build_runner(resumed(tmp_path, path, runner_type='RunnerForTests'), 'none', ('train',)))
    assert not marker.exists()


@pytest.mark.parametrize('address', ['https://example.org/x.pth', 'torchvision://resnet50', 'mmcls://resnet50'])
def test_what_an_address_gives_is_read_safely(tmp_path, state, monkeypatch, address):
    marker, good = tmp_path / 'marker', True

    def download(url, path, progress):
        more = {} if good else {'x': Code(marker)}
        torch.save({'state_dict': {f'backbone.{k}': v for k, v in state.items()}, **more}, path)

    monkeypatch.setattr(torch.hub, 'download_url_to_file', download)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'good'))
    assert len(read_checkpoint(address)['state_dict']) == len(state)
    good = False
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'evil'))
    with pytest.raises(UserError, match='is refused: it|besides plain data'):
        read_checkpoint(address)
    assert not marker.exists()


@pytest.mark.parametrize('place', ['teacher', 'init_cfg', 'tested'])
def test_code_in_what_a_model_loads_does_not_run(tmp_path, state, place):
    marker, path = tmp_path / 'marker', str(tmp_path / 'x.pth')
    torch.save({'state_dict': state, 'x': Code(marker)}, path)
    init_cfg = dict(type='Pretrained', checkpoint=path, prefix='backbone.')
    model = dict(
        type='SumForTests',
        **{'teacher': dict(teacher=path), 'tested': {}, 'init_cfg': dict(backbone=dict(init_cfg=init_cfg))}[place],
    )
    cfg = config(tmp_path / 'run', model=model, default_scope='mmengine')
    with pytest.raises(UserError, match='is refused: it'):
        load_trained(cfg, path)
    if place != 'tested':
        with pytest.raises(UserError, match='is refused: it'):
            build_runner(cfg, 'none', ('train',))
    assert not marker.exists()
