"""The runner that the tools build, on a CPU: memory format, resuming, two processes, and BatchNorm on one value."""

import os
import subprocess
import sys
from pathlib import Path

import mmattn.models  # noqa: F401  isort: skip  before mmdet
import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS
from torch import nn
from torch.utils.data import Dataset

from mmattn.engine.hooks import PrepareHook
from mmattn.engine.runner import ONE_VALUE, build_runner, train, trains_channels_last
from mmattn.errors import UserError

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason='for a machine without a GPU')
ROOT = Path(__file__).resolve().parents[2]


@DATASETS.register_module(name='NoiseForTests', force=True)
class Noise(Dataset):
    """Images of a size for which no feature map is one pixel, of which PyTorch 2.2 trains no GroupNorm."""

    def __init__(self, count: int = 4, size: int = 64, value: float = 0.0, length: int | None = None) -> None:
        self.images = value + torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))
        self.length = length or count

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict:
        return dict(inputs=self.images[index])


@MODELS.register_module(name='MeanForTests', force=True)
class Mean(BaseModel):
    def __init__(self, **options) -> None:
        super().__init__()
        settings = dict(type='mmattn.AttnResNet', depth=50, base_channels=8, norm_cfg=dict(type='GN', num_groups=2))
        self.backbone = MODELS.build(settings | options)

    def forward(self, inputs, mode):
        mean = self.backbone(inputs)[-1].mean((1, 2, 3))
        return list(mean) if mode == 'predict' else dict(loss=mean.square().mean())


@METRICS.register_module(name='AverageForTests', force=True)
class Average(BaseMetric):
    def process(self, data_batch, data_samples) -> None:
        self.results += [sample.item() for sample in data_samples]

    def compute_metrics(self, results) -> dict:
        return dict(average=sum(results) / len(results))


class Tells(Hook):
    """Puts the model that is tested into a list."""

    def __init__(self, models: list) -> None:
        self.models = models

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self.models.append(runner.model)


def config(work_dir, **changes) -> Config:
    return Config(
        {
            **dict(
                model=dict(type='MeanForTests'),
                work_dir=str(work_dir),
                randomness=dict(seed=0),
                train_dataloader=dict(
                    batch_size=2,
                    num_workers=0,
                    dataset=dict(type='NoiseForTests'),
                    sampler=dict(type='DefaultSampler', shuffle=False),
                    collate_fn=dict(type='default_collate'),
                ),
                train_cfg=dict(by_epoch=True, max_epochs=1),
                optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1, momentum=0.9)),
            ),
            **changes,
        }
    )


def test_a_training_loop_of_a_base_in_another_package_trains(tmp_path):
    """mmengine marks the settings of a base in mmdet with its scope."""
    loop = dict(type='EpochBasedTrainLoop', max_epochs=1, _scope_='mmengine')
    runner = build_runner(config(tmp_path, train_cfg=loop), 'none', ('train',))
    runner.train()
    assert runner.epoch == 1


def weights(model: nn.Module) -> list[torch.Tensor]:
    return [module.weight for module in model.modules() if isinstance(module, nn.Conv2d)]


@pytest.mark.parametrize('changes, channels_last', [({}, True), (dict(channels_last=False), False)], ids=str)
def test_model_is_channels_last_on_a_cpu_unless_the_config_says_otherwise(tmp_path, changes, channels_last):
    runner = build_runner(config(tmp_path, **changes), 'none', ('train',))
    wide = [w for w in weights(runner.model) if w.shape[2] > 1]
    expected = channels_last and trains_channels_last(runner.model)
    assert all(w.is_contiguous(memory_format=torch.channels_last) == expected for w in wide) and wide


def test_where_pytorch_trains_no_group_norm_channels_last_no_model_is_so(tmp_path, monkeypatch):
    def refused(*args):
        raise RuntimeError('Expected memory formats of X and dY are same.')

    monkeypatch.setattr(nn.functional, 'group_norm', refused)
    model = build_runner(config(tmp_path), 'none', ('train',)).model
    assert not trains_channels_last(model) and trains_channels_last(nn.BatchNorm2d(4))
    assert all(weight.is_contiguous() for weight in weights(model))


def test_a_checkpoint_resumes_in_either_memory_format_with_the_same_result(tmp_path):
    build_runner(config(tmp_path, channels_last=False), 'none', ('train',)).train()
    states = []
    for channels_last in (True, False):
        cfg = config(
            tmp_path / str(channels_last),
            channels_last=channels_last,
            resume=True,
            load_from=str(tmp_path / 'epoch_1.pth'),
            train_cfg=dict(by_epoch=True, max_epochs=2),
        )
        runner = build_runner(cfg, 'none', ('train',))
        runner.train()
        assert runner.epoch == 2 and (tmp_path / str(channels_last) / 'epoch_2.pth').is_file()
        states.append(runner.model.state_dict())
    for key, value in states[0].items():
        torch.testing.assert_close(value, states[1][key], rtol=1e-4, atol=1e-5)


def test_a_test_runs_a_prepared_copy_of_the_weights_that_other_hooks_put_in(tmp_path):
    """With EMAHook, which tests the average of the weights: not those that were loaded."""
    model = dict(type='MeanForTests', norm_cfg=dict(type='BN'))
    hooks = [dict(type='EMAHook', momentum=0.5)]
    build_runner(config(tmp_path, model=model, custom_hooks=hooks), 'none', ('train',)).train()
    averages = []
    for prepared in (False, True):
        cfg = config(tmp_path / 'test', model=model, custom_hooks=hooks, load_from=str(tmp_path / 'epoch_1.pth'))
        cfg.update(test_dataloader=cfg.train_dataloader, test_cfg=dict(), test_evaluator=dict(type='AverageForTests'))
        runner = build_runner(cfg, 'none', ('test',))
        tested = []
        if prepared:
            runner.register_hook(PrepareHook())
        runner.register_hook(Tells(tested), 'LOWEST')
        averages.append(runner.test()['average'])
        assert (tested[0] is runner.model) != prepared
        assert any(isinstance(module, nn.BatchNorm2d) for module in tested[0].modules()) != prepared
    assert averages[1] == pytest.approx(averages[0], rel=1e-4) and averages[0] != 0


def test_one_value_for_batch_norm_is_one_line_that_says_what_to_change(tmp_path):
    cfg = config(tmp_path, model=dict(type='MeanForTests', norm_cfg=dict(type='BN')))
    cfg.train_dataloader.batch_size = 1  # one pixel of one image in the last stage
    cfg.train_dataloader.dataset.size = 32
    with pytest.raises(UserError, match='drop_last=True') as error:
        train(build_runner(cfg, 'none', ('train',)))
    assert '\n' not in str(error.value)
    for word in ("norm_cfg=dict(type='GN', num_groups=8)", 'norm_eval=True'):
        assert word in str(error.value)
    with pytest.raises(ValueError, match=ONE_VALUE):  # torch's words, by which the error is recognised
        nn.BatchNorm2d(3)(torch.rand(1, 3, 1, 1))


class Fails(Hook):
    """Raises in an iteration."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if batch_idx == self.iteration:
            raise KeyError('something else')


def test_an_error_before_the_first_iteration_is_done_is_one_line_and_later_ones_are_raised_as_they_are(tmp_path):
    for iteration, expected in ((0, UserError), (1, KeyError)):
        runner = build_runner(config(tmp_path), 'none', ('train',))
        runner.register_hook(Fails(iteration))
        with pytest.raises(expected, match='something else'):
            train(runner)


def test_a_first_loss_that_is_no_number_ends_the_training(tmp_path):
    cfg = config(tmp_path)
    cfg.train_dataloader.dataset.value = float('nan')
    with pytest.raises(UserError, match='in the first iteration loss is nan'):
        train(build_runner(cfg, 'none', ('train',)))


@pytest.mark.parametrize(
    'changes, key, said',
    [
        (dict(model=dict(type='MeanForTests', depth=51)), 'model', 'depth'),
        (dict(model=dict(type='Absent')), 'model', 'Absent is not in the mmengine::model registry'),
        (dict(custom_hooks=[dict(type='EMAHook'), dict(type='LoggerHook', rate=1)]), 'custom_hooks.1', 'rate'),
        (
            dict(
                train_dataloader=dict(
                    batch_size=1, dataset=dict(type='NoiseForTests', count='x'), sampler=dict(type='DefaultSampler')
                )
            ),
            'train_dataloader.dataset',
            'TypeError',
        ),
        (dict(train_cfg=dict(by_epoch=True)), None, 'max_epochs'),
    ],
    ids=str,
)
def test_what_cannot_be_built_is_named_with_its_key(tmp_path, changes, key, said):
    with pytest.raises(UserError, match=said) as error:
        build_runner(config(tmp_path, **changes), 'none', ('train',))
    start = f'{key} of the config cannot be built' if key else 'what the config describes cannot be built'
    assert str(error.value).startswith(start) and '\n' not in str(error.value)


def test_an_error_in_a_process_that_loads_data_says_what_was_raised_there(tmp_path):
    cfg = config(tmp_path)
    cfg.train_dataloader.update(num_workers=1, batch_size=8)
    cfg.train_dataloader.dataset.length = 9  # longer than it is
    with pytest.raises(UserError, match=r'first iteration \(IndexError'):
        train(build_runner(cfg, 'none', ('train',)))


@pytest.mark.parametrize(
    'schedule, epochs, end',
    [
        (dict(type='MultiStepLR', milestones=[1], by_epoch=True), 3, 2),
        (dict(type='CosineAnnealingLR', T_max=2, by_epoch=True), 3, 2),
        (dict(type='LinearLR', end=4, by_epoch=False), 3, 2),
        (dict(type='MultiStepLR', milestones=[5], by_epoch=True, end=6), 6, None),
        (dict(type='MultiStepLR', milestones=[1], by_epoch=True), 2, None),
    ],
    ids=str,
)
def test_a_training_resumed_beyond_its_schedule_warns(tmp_path, schedule, epochs, end):
    cfg = config(tmp_path, param_scheduler=[schedule], train_cfg=dict(by_epoch=True, max_epochs=2))
    build_runner(cfg, 'none', ('train',)).train()
    cfg = config(
        tmp_path,
        param_scheduler=[schedule],
        resume=True,
        load_from=str(tmp_path / 'epoch_1.pth'),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
    )
    runner = build_runner(cfg, 'none', ('train',))
    said = []
    runner.logger.warning = said.append
    train(runner)
    lines = [line for line in said if 'learning rate stays' in line]
    assert len(lines) == (end is not None)
    if end is not None:
        assert f'ends at epoch {end}' in lines[0] and f'to epoch {epochs}' in lines[0]


def run_one_of_several() -> None:
    cfg = config(
        sys.argv[1], model=dict(type='MeanForTests', depth_attn='mmattn.SDA', attn=dict(type='mmattn.EMA', factor=4))
    )
    cfg.train_dataloader.dataset.size = 256
    build_runner(cfg, 'pytorch', ('train',)).train()


@pytest.mark.slow
def test_two_processes_train_without_a_warning_about_the_strides_of_gradients(tmp_path):
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'torch.distributed.run',
            '--standalone',
            '--nproc_per_node',
            '2',
            __file__,
            str(tmp_path),
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-3000:]
    assert 'bucket view strides' not in output
    assert (tmp_path / 'epoch_1.pth').is_file()


if __name__ == '__main__':
    run_one_of_several()


def test_what_is_trained_is_known_before_the_model_is_wrapped_and_the_optimiser_built(tmp_path):
    options = dict(type='mmattn.AttnResNet', depth=50, base_channels=8, norm_cfg=dict(type='GN', num_groups=2))
    torch.save(MODELS.build(options).state_dict(), tmp_path / 'plain.pth')
    model = dict(
        type='MeanForTests',
        attn='mmattn.SE',
        frozen_stages=1,
        init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'plain.pth')),
    )
    runner = build_runner(config(tmp_path, model=model), 'none', ('train',))
    attention = runner.model.backbone.layer1[0].attn
    assert all(parameter.requires_grad for parameter in attention.parameters())
    before = attention.fc1.weight.clone()
    runner.train()
    assert not torch.equal(attention.fc1.weight, before)
    assert not any(p.requires_grad for p in runner.model.backbone.layer1[0].conv1.parameters())
