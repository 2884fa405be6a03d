"""The runner of a config: mmengine's, on one process or several, on GPUs or CPUs."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from torch import nn

from mmattn.commands import command
from mmattn.errors import RunError, UserError
from mmattn.shipped import TOOLS

from .console import make_brief
from .failures import SHOWN, cannot_be_built, cause, key_of, nodes
from .hooks import DrawnNamesHook, FirstIterationHook, LossHook, ScheduleHook
from .launch import LAUNCHER_VARIABLES, register_modules
from .loading import LoadingRunner, one_reader
from .notes import leave_log
from .processes import init_group, is_restarted, timeout_of
from .quiet import without_advice
from .resuming.runner import ResumableRunner
from .resuming.stopping import Stopped, stop_signals
from .types import type_name

# What torch says where BatchNorm would have to take its statistics from one value.
ONE_VALUE = 'Expected more than 1 value per channel when training'
# What it says of images of different sizes that are to be one batch.
STACKED = 'stack expects each tensor to be equal size'


class ChannelsLastRunner(LoadingRunner):
    """mmengine's runner, whose model has its convolutions channels last on a CPU, where they are faster so.

    Torch's convolutions on a CPU work channels last; a model in the default format has every feature map rewritten
    before and after them (1.3 to 1.8 times the time of a training step at 224 px and more, on two cores). The model
    is changed before it is wrapped for a distributed run, because that fixes the strides of the gradients. Keys, shapes
    and numbers are the same, so that checkpoints fit either way.
    """

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        if get_device() == 'cpu':
            check_sync_norms(model, self.cfg)
            if self.cfg.get('channels_last', True) and trains_channels_last(model):
                for module in model.modules():
                    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # absent from stubs
        return super().wrap_model(model_wrapper_cfg, model)

    def dump_config(self) -> None:
        """Keeps a config that is in the work folder itself as its writer has it, comments and all."""
        name = self.cfg.filename
        target = Path(self.work_dir, Path(name).name) if name else None
        if target is None or not (target.is_file() and target.samefile(name)):
            super().dump_config()


def trains_channels_last(model: nn.Module) -> bool:
    """Whether this PyTorch can train the norms of a model channels last.

    PyTorch 2.2 has no gradient of GroupNorm there where a feature map is one pixel.
    """
    if not any(isinstance(module, nn.GroupNorm) for module in model.modules()):
        return True
    pixel = torch.ones(2, 4, 1, 1).to(memory_format=torch.channels_last).requires_grad_()
    try:
        nn.functional.group_norm(pixel, 2).mean((2, 3)).sum().backward()
    except RuntimeError:
        return False
    return True


def processes() -> int:
    """Number of processes of the run: those that there are, or those for which a launch script has it checked."""
    here = int(os.environ.get('LOCAL_WORLD_SIZE', 1)) * int(os.environ.get('NNODES', 1))
    return int(os.environ.get('WORLD_SIZE', here))


def check_sync_norms(model: nn.Module, cfg: Config) -> None:
    """Raises UserError if several processes without a GPU would share the statistics of a SyncBatchNorm.

    One process computes it as BatchNorm. The number of processes is that which a launch script has checked for, too.
    """
    if processes() > 1 and (
        cfg.get('sync_bn') is not None or any(isinstance(module, nn.SyncBatchNorm) for module in model.modules())
    ):
        keys = [key for key, node in nodes(cfg) if key.startswith('model.') and type_name(node) == 'SyncBN']
        options = ''.join(f' {key}.type=BN' for key in keys)
        raise UserError(
            f'the model has SyncBatchNorm, which needs GPUs, and this run has {processes()} processes and '
            "none; use norm_cfg=dict(type='BN') or dict(type='GN', num_groups=8)"
            f'{options and f" (--cfg-options{options})"}, or run one process'
        )


class TrainingRunner(ResumableRunner, ChannelsLastRunner):
    """Initialises the model before it is wrapped for a distributed run and before its optimiser is built.

    Pretrained weights decide which parameters of frozen stages are trained; wrapper and optimiser see that only then.
    """

    initialised = False

    def build_logger(self, *args, **kwargs) -> MMLogger:
        logger = super().build_logger(*args, **kwargs)
        make_brief(logger, self.cfg)
        return logger

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        self._init_model_weights()
        return super().wrap_model(model_wrapper_cfg, model)

    def _init_model_weights(self) -> None:
        if not self.initialised:
            super()._init_model_weights()
            self.initialised = True


@one_reader()  # for runners of other classes, too
def build_runner(cfg: Config, launcher: str, loops: tuple[str, ...]) -> Runner:
    """Registers the library of the config, sets up its processes, and builds its runner.

    On a CPU the model is channels last, unless the config has ``channels_last=False`` or a ``runner_type`` of its own.

    Args:
        cfg: Config of mmdet, mmpretrain or mmsegmentation.
        launcher: What started the processes: 'none', 'pytorch', 'slurm' or 'mpi'.
        loops: Loops to build at once, with their data sets: any of 'train', 'val' and 'test'.

    Raises:
        UserError: Something in the config has an unknown type or a wrong argument, or raises while it is built.
    """
    register_modules(cfg)
    init_processes(cfg, launcher)
    try:
        runner_class = TrainingRunner if 'train' in loops else ChannelsLastRunner
        with without_advice():
            runner = RUNNERS.build(cfg) if 'runner_type' in cfg else runner_class.from_cfg(cfg)
            for loop in loops:
                getattr(runner, f'{loop}_loop')  # mmengine builds it when it is first asked for
    except Exception as error:  # noqa: BLE001  constructors of any library may raise anything
        raise cannot_be_built(error, cfg) from error
    leave_log(Path(runner.log_dir, f'{runner.timestamp}.log'))
    runner.register_hook(DrawnNamesHook())
    return runner


@one_reader()
def train(runner: Runner) -> None:
    """Trains; what is raised before the first iteration is done is one line.

    Args:
        runner: Runner of a training, as `build_runner` returns it.

    Raises:
        UserError: Something cannot be built, or the first iteration fails or has a loss that is no number; or, at any
            time, a BatchNorm in training mode got one value a channel: one image of one pixel; or images of one batch
            have different sizes.
        RunError: A later loss is no number, or the last checkpoint could not be saved.
    """
    first = FirstIterationHook()
    runner.register_hook(first)
    runner.register_hook(LossHook())
    runner.register_hook(ScheduleHook())
    try:
        with stop_signals():
            runner.train()
    except (Stopped, RunError):
        raise
    except Exception as error:
        if ONE_VALUE in str(error):
            raise one_value_error(error) from error
        if STACKED in str(error):
            raise UserError(
                f'images of one batch have different sizes ({cause(error)}); add a transform that gives '
                f'them one size to train_dataloader.dataset.pipeline ({SHOWN})'
            ) from error
        if first.done:
            raise
        raise first_iteration_error(error, runner.cfg) from error


def first_iteration_error(error: Exception, cfg: Config) -> UserError:
    """The error to raise for one that was raised before the first iteration of a training was done."""
    if isinstance(error, UserError) or key_of(error, cfg):
        return cannot_be_built(error, cfg)
    return UserError(
        f'the training fails in its first iteration ({cause(error)}); correct the config or the data ({SHOWN})'
    )


def one_value_error(error: Exception) -> UserError:
    """The error to raise for PyTorch's that a BatchNorm got one value a channel."""
    return UserError(
        f'a BatchNorm got one value a channel, of which it can take no statistics ({cause(error)}), from a batch of '
        'one image; use more images per process, train_dataloader.drop_last=True if it is the last batch, '
        "GroupNorm (norm_cfg=dict(type='GN', num_groups=8)), or norm_eval=True with pretrained weights"
    )


def init_processes(cfg: Config, launcher: str) -> None:
    """Prepares the config for a distributed run; without a GPU, over gloo.

    mmengine's own initialisation sets CUDA devices whatever the backend, so on CPUs the process
    group is created here; mmengine then uses the group that it finds.

    Args:
        cfg: Config of the run, which is changed.
        launcher: What started the processes: 'none', 'pytorch', 'slurm' or 'mpi'.

    Raises:
        UserError: The launcher did not start this process, or the time to wait for others is no number.
    """
    cfg.launcher = launcher
    if launcher == 'none':
        return
    names = LAUNCHER_VARIABLES[launcher]
    missing = [name for name in names if name not in os.environ]
    if missing:
        raise UserError(
            f'--launcher {launcher} was given, but {missing[0]} is not set; start the '
            f'processes with {command("train")} CONFIG --gpus N, or with dist_train.sh or slurm_train.sh in {TOOLS}'
        )
    timeout = timeout_of(cfg)
    if torch.cuda.is_available():
        options = cfg.setdefault('env_cfg', {}).setdefault('dist_cfg', {})
        options['timeout'] = timeout  # mmengine passes it on
        if is_restarted():
            torch.cuda.set_device(int(os.environ['LOCAL_RANK']))
            init_group(options.get('backend', 'nccl'), timeout)
        return
    rank, world_size, local_rank = (os.environ[name] for name in names)
    os.environ.update(RANK=rank, WORLD_SIZE=world_size, LOCAL_RANK=local_rank)
    os.environ.setdefault('MASTER_ADDR', '127.0.0.1')
    os.environ.setdefault('MASTER_PORT', '29500')
    init_group('gloo', timeout)
    # For a 1x1 kernel both memory formats are the same bytes, but torch compares their strides.
    warnings.filterwarnings(
        'ignore',
        r'Grad strides do not match bucket view strides(.|\n)*'
        r'grad\.sizes\(\) = \[\d+, \d+, 1, 1\]',
    )
    wrapper = cfg.get('model_wrapper_cfg')
    if wrapper is None:
        wrapper = dict(
            type='MMDistributedDataParallel',
            broadcast_buffers=False,
            find_unused_parameters=cfg.get('find_unused_parameters', False),
        )
    cfg.model_wrapper_cfg = {**wrapper, 'device_ids': None}
