"""A training of a second, of all that draws random numbers: dropout, augmentation, the order of the data.

As a program it is run and killed by the tests: python tiny_run.py FOLDER [--resume] [KEY=VALUE …].
"""
from __future__ import annotations

import random
import sys

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, MODELS
from torch import nn
from torch.utils.data import Dataset


@MODELS.register_module()
class TinyModel(BaseModel):
    """A norm, dropout and a linear layer; (N, 6) -> a number."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 1))

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


def tiny_config(work_dir, *, workers: int = 0, by_epoch: bool = True, **options) -> Config:
    """A config of the tiny training: 4 epochs, or 24 iterations, of 6 batches."""
    data = dict(batch_size=4, num_workers=workers, persistent_workers=workers > 0, dataset=dict(type='TinyData'),
                sampler=dict(type='DefaultSampler' if by_epoch else 'InfiniteSampler', shuffle=True),
                collate_fn=dict(type='default_collate'))
    evaluated = dict(data, sampler=dict(type='DefaultSampler', shuffle=False))
    length = dict(max_epochs=4) if by_epoch else dict(max_iters=24, val_interval=6)
    kind = 'mmattn.ResumableEpochLoop' if by_epoch else 'mmattn.ResumableIterLoop'
    return Config(dict(
        model=dict(type='TinyModel'), work_dir=str(work_dir), train_dataloader=data, val_dataloader=evaluated,
        train_cfg=dict(type=kind, **length), val_cfg=dict(), val_evaluator=dict(type='DumpResults', out_file_path=f'{work_dir}/out.pkl'),
        optim_wrapper=dict(optimizer=dict(type='Adam', lr=0.01)), default_scope='mmengine',
        param_scheduler=dict(type='CosineAnnealingLR', T_max=24, by_epoch=False),
        default_hooks=dict(checkpoint=dict(type='mmattn.CheckpointHook', by_epoch=by_epoch,
                                           interval=1 if by_epoch else 6, max_keep_ckpts=1)),
        custom_hooks=[dict(type='EMAHook')], randomness=dict(seed=3), log_level='ERROR', **options))


if __name__ == '__main__':
    from mmengine.runner import Runner
    runner = Runner.from_cfg(tiny_config(sys.argv[1], resume='--resume' in sys.argv))
    runner.train()
