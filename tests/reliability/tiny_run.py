"""A training of a second, of all that draws random numbers: dropout, augmentation, the order of the data.

As a program it is run and killed by the tests: python tiny_run.py FOLDER [--resume].
"""

from __future__ import annotations

import itertools
import random
import sys
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import EMAHook
from mmengine.model import BaseModel, is_model_wrapper
from mmengine.registry import DATASETS, METRICS, MODELS
from torch import nn
from torch.utils.data import Dataset

from mmattn.engine.resuming.newest import checkpoint_to_go_on_from
from mmattn.engine.resuming.runner import ResumableRunner
from mmattn.engine.resuming.stopping import stop_signals
from mmattn.weights.training import read_training

NUMBER = itertools.count()


class TinyRunner(ResumableRunner):
    """Loads checkpoints as the tools do."""

    def load_checkpoint(self, filename, *args, **kwargs):
        content = read_training(filename)
        self.call_hook('after_load_checkpoint', checkpoint=content)
        model = self.model.module if is_model_wrapper(self.model) else self.model
        model.load_state_dict(content['state_dict'])
        self._has_loaded = True
        return content


@METRICS.register_module()
class TinyMetric(BaseMetric):
    """A metric that draws a random number, as a validation may."""

    def process(self, data_batch, data_samples):
        self.results.append(float(torch.stack(list(data_samples)).mean()) + random.random() + float(torch.rand(1)))

    def compute_metrics(self, results):
        return dict(loss=sum(results))


@MODELS.register_module()
class TinyModel(BaseModel):
    """A norm, dropout and a linear layer; (N, 6) -> a number."""

    def __init__(self, dropout: float = 0.3) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 1)
        )

    def forward(self, x, y, mode='tensor'):
        out = self.layers(x).squeeze(1)
        return dict(loss=(out - y).square().mean()) if mode == 'loss' else list(out)


@DATASETS.register_module()
class TinyData(Dataset):
    """Twenty-three items whose augmentation draws from all three generators."""

    metainfo = dict(classes=('a',))

    def __getitem__(self, index):
        x = torch.full((6,), index / 23) + 0.1 * torch.randn(6)
        x[0] += random.random()
        x[1] += float(np.random.rand())
        return dict(x=x, y=torch.tensor(index / 23))

    def __len__(self):
        return 23


def tiny_config(
    work_dir,
    *,
    workers: int = 0,
    by_epoch: bool = True,
    interval: int | None = None,
    max_epochs: int = 4,
    keep: int = 1,
    **options,
) -> Config:
    """A config of the tiny training: 4 epochs, or 24 iterations, of 6 batches."""
    data = dict(
        batch_size=4,
        num_workers=workers,
        persistent_workers=workers > 0,
        dataset=dict(type='TinyData'),
        sampler=dict(type='DefaultSampler' if by_epoch else 'InfiniteSampler', shuffle=True),
        collate_fn=dict(type='default_collate'),
    )
    evaluated = dict(data, sampler=dict(type='DefaultSampler', shuffle=False))
    length = dict(max_epochs=max_epochs) if by_epoch else dict(max_iters=24, val_interval=6)
    return Config(
        {
            **dict(
                model=dict(type='TinyModel'),
                work_dir=str(work_dir),
                train_dataloader=data,
                val_dataloader=evaluated,
                train_cfg=dict(by_epoch=by_epoch, **length),
                val_cfg=dict(),
                val_evaluator=dict(type='TinyMetric'),
                optim_wrapper=dict(optimizer=dict(type='Adam', lr=0.01)),
                default_scope='mmengine',
                param_scheduler=dict(type='CosineAnnealingLR', T_max=24, by_epoch=False),
                default_hooks=dict(
                    checkpoint=dict(
                        type='CheckpointHook',
                        by_epoch=by_epoch,
                        save_best='loss',
                        rule='less',
                        interval=interval or (1 if by_epoch else 6),
                        max_keep_ckpts=keep,
                    )
                ),
                custom_hooks=[dict(type='EMAHook')],
                randomness=dict(seed=3),
                log_level='ERROR',
            ),
            **options,
        }
    )


def train(work_dir, *hooks, resume: bool = False, **options) -> dict:
    """Trains, or goes on, with further hooks; returns all weights, the averaged ones too."""
    cfg = tiny_config(work_dir, **options)
    cfg.experiment_name = f'tiny_{next(NUMBER)}'  # runners of one name share what they log
    if resume:
        path, _ = checkpoint_to_go_on_from(Path(work_dir))
        cfg.update(resume=path is not None, load_from=path and str(path))
    if torch.distributed.is_initialized():
        cfg.update(launcher='pytorch', model_wrapper_cfg=dict(type='MMDistributedDataParallel', device_ids=None))
    runner = TinyRunner.from_cfg(cfg)
    for hook in hooks:
        runner.register_hook(hook)
    with stop_signals():
        runner.train()
    ema = next(hook for hook in runner.hooks if isinstance(hook, EMAHook)).ema_model
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return {**model.state_dict(), **{f'ema.{key}': value for key, value in ema.state_dict().items()}}


if __name__ == '__main__':
    train(sys.argv[1], resume='--resume' in sys.argv)
