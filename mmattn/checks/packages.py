"""Packages and devices that a config asks for."""

from __future__ import annotations

import importlib.util

import torch
from mmengine.config import Config

from mmattn.engine.types import type_name
from mmattn.errors import UserError

# Of each of mmengine's visualization backends, the packages of which it needs one.
PACKAGES = {
    'WandbVisBackend': ('wandb',),
    'TensorboardVisBackend': ('tensorboard', 'tensorboardX'),
    'MLflowVisBackend': ('mlflow',),
    'ClearMLVisBackend': ('clearml',),
    'NeptuneVisBackend': ('neptune',),
    'DVCLiveVisBackend': ('dvclive',),
    'AimVisBackend': ('aim',),
}


def check_backends(cfg: Config) -> None:
    """Raises UserError if a visualization backend of the config needs a package that is not installed."""
    visualizer = cfg.get('visualizer')
    for backend in (visualizer.get('vis_backends') or []) if isinstance(visualizer, dict) else []:
        name = type_name(backend)
        packages = PACKAGES.get(name, ())
        if packages and not any(importlib.util.find_spec(package) for package in packages):
            raise UserError(
                f'visualizer.vis_backends has {name}, which needs the package {" or ".join(packages)}; '
                f'install it with: pip install {packages[0]}, or leave the backend out'
            )


def check_amp(cfg: Config) -> None:
    """Raises UserError if the config asks for mixed precision and there is no GPU."""
    if torch.cuda.is_available():
        return
    if type_name(cfg.get('optim_wrapper')) == 'AmpOptimWrapper':
        raise UserError(
            'optim_wrapper is an AmpOptimWrapper, and mixed precision needs a GPU, and there is none; set '
            '--cfg-options optim_wrapper.type=OptimWrapper'
        )
