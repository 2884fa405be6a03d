"""The runner of a config: mmengine's, on one process or several, on GPUs or CPUs."""
from __future__ import annotations

import os
import warnings
from datetime import timedelta

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from torch import nn

from mmattn.errors import UserError, kind_and_text

from .hooks import DrawnNamesHook
from .launch import LAUNCHER_VARIABLES, register_modules

# What torch says where BatchNorm would have to take its statistics from one value.
ONE_VALUE = 'Expected more than 1 value per channel when training'


class ChannelsLastRunner(Runner):
    """mmengine's runner, whose model has its convolutions channels last on a CPU, where they are faster so.

    Torch's convolutions on a CPU work channels last; a model in the default format has every feature map rewritten
    before and after them (1.3 to 1.8 times the time of a training step at 224 px and more, on two cores). The model
    is changed before it is wrapped for a distributed run, because that fixes the strides of the gradients. Keys, shapes
    and numbers are the same, so that checkpoints fit either way.
    """

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        if get_device() == 'cpu' and self.cfg.get('channels_last', True):
            for module in model.modules():
                if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                    module.to(memory_format=torch.channels_last)
        return super().wrap_model(model_wrapper_cfg, model)


class TrainingRunner(ChannelsLastRunner):
    """Initialises the model before it is wrapped for a distributed run and before its optimiser is built.

    Pretrained weights decide which parameters of frozen stages are trained; wrapper and optimiser see that only then.
    """

    initialised = False

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        self._init_model_weights()
        return super().wrap_model(model_wrapper_cfg, model)

    def _init_model_weights(self) -> None:
        if not self.initialised:
            super()._init_model_weights()
            self.initialised = True


def build_runner(cfg: Config, launcher: str, loops: tuple[str, ...]) -> Runner:
    """Registers the library of the config, sets up its processes, and builds its runner.

    On a CPU the model is channels last, unless the config has ``channels_last=False`` or a ``runner_type`` of its own.

    Args:
        cfg: Config of mmdet or mmpretrain.
        launcher: What started the processes: 'none', 'pytorch', 'slurm' or 'mpi'.
        loops: Loops to build at once, with their data sets: any of 'train', 'val' and 'test'.

    Raises:
        UserError: Something in the config has an unknown type or a wrong argument.
    """
    register_modules(cfg)
    init_processes(cfg, launcher)
    try:
        runner_class = TrainingRunner if 'train' in loops else ChannelsLastRunner
        runner = RUNNERS.build(cfg) if 'runner_type' in cfg else runner_class.from_cfg(cfg)
        for loop in loops:
            getattr(runner, f'{loop}_loop')  # mmengine builds it when it is first asked for
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f'what the config describes cannot be built ({kind_and_text(error)}); correct it there '
                        '(MMATTN_DEBUG=1 shows where it was raised)') from error
    runner.register_hook(DrawnNamesHook())
    return runner


def train(runner: Runner) -> None:
    """Trains, and says what to change where a BatchNorm gets too few values.

    Args:
        runner: Runner of a training, as `build_runner` returns it.

    Raises:
        UserError: A BatchNorm in training mode got one value a channel: one image of one pixel.
    """
    try:
        runner.train()
    except ValueError as error:
        if ONE_VALUE not in str(error):
            raise
        raise UserError(
            f'a BatchNorm got one value a channel, of which it can take no statistics ({kind_and_text(error)}); use '
            'more images per process, train_dataloader.drop_last=True if it is the last batch, '
            "norm_cfg=dict(type='GN', num_groups=8), or norm_eval=True with pretrained weights") from error


def init_processes(cfg: Config, launcher: str) -> None:
    """Prepares the config for a distributed run; without a GPU, over gloo.

    mmengine's own initialisation sets CUDA devices whatever the backend, so on CPUs the process
    group is created here; mmengine then uses the group that it finds.

    Args:
        cfg: Config of the run, which is changed.
        launcher: What started the processes: 'none', 'pytorch', 'slurm' or 'mpi'.

    Raises:
        UserError: The launcher did not start this process.
    """
    cfg.launcher = launcher
    if launcher == 'none':
        return
    names = LAUNCHER_VARIABLES[launcher]
    missing = [name for name in names if name not in os.environ]
    if missing:
        raise UserError(f'--launcher {launcher} was given, but {missing[0]} is not set; start the '
                        'processes with tools/dist_train.sh or tools/slurm_train.sh')
    if torch.cuda.is_available():
        return
    rank, world_size, local_rank = (os.environ[name] for name in names)
    os.environ.update(RANK=rank, WORLD_SIZE=world_size, LOCAL_RANK=local_rank)
    os.environ.setdefault('MASTER_ADDR', '127.0.0.1')
    os.environ.setdefault('MASTER_PORT', '29500')
    options = dict(cfg.get('env_cfg', {}).get('dist_cfg', {}))
    timeout = timedelta(seconds=options.get('timeout', 1800))
    torch.distributed.init_process_group('gloo', timeout=timeout)
    # For a 1x1 kernel both memory formats are the same bytes, but torch compares their strides.
    warnings.filterwarnings('ignore', r'Grad strides do not match bucket view strides(.|\n)*'
                            r'grad\.sizes\(\) = \[\d+, \d+, 1, 1\]')
    wrapper = cfg.get('model_wrapper_cfg')
    if wrapper is None:
        wrapper = dict(
            type='MMDistributedDataParallel', broadcast_buffers=False,
            find_unused_parameters=cfg.get('find_unused_parameters', False))
    cfg.model_wrapper_cfg = {**wrapper, 'device_ids': None}
