"""What ``tools/train.py`` and ``tools/test.py`` share: options, config, processes, errors."""
import argparse
import importlib
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmattn.engine.preflight import check_output, check_packages
from mmattn.engine.quiet import quiet
from mmattn.errors import UserError, kind_and_text, one_line

# Where each launcher states rank, number of processes, and rank within the machine.
LAUNCHER_VARIABLES = {
    'pytorch': ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
    'mpi': ('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK'),
}


class OverrideAction(DictAction):
    """mmengine's action for ``--cfg-options``, to which a malformed item is a usage error."""

    def __call__(self, parser: argparse.ArgumentParser, *args, **kwargs) -> None:
        try:
            super().__call__(parser, *args, **kwargs)
        except (ValueError, AssertionError) as error:  # an item without '=', or unbalanced brackets
            parser.error(f'--cfg-options takes KEY=VALUE items ({error})')


class ArgumentParser(argparse.ArgumentParser):
    """argparse's, with the options of both tools."""

    def __init__(self, description: str, examples: str) -> None:
        super().__init__(
            description=description,
            epilog=f'Examples:\n{examples}',
            formatter_class=argparse.RawDescriptionHelpFormatter)
        self.add_argument('config', help='path of an mmdet or mmpretrain config')

    def add_shared_options(self) -> None:
        self.add_argument(
            '--work-dir', metavar='DIR',
            help='where logs and results go (default: work_dirs/<name of the config>)')
        self.add_argument(
            '--cfg-options', nargs='+', action=OverrideAction, metavar='KEY=VALUE',
            help='override settings of the config: optim_wrapper.optimizer.lr=0.01 a.b="[1,2]"')
        self.add_argument(
            '--launcher', choices=['none', *LAUNCHER_VARIABLES], default='none',
            help='what started the processes of a distributed run (default: none)')
        self.add_argument(
            '--local_rank', '--local-rank', type=int, default=0,
            help='set by older launchers of torch; not for you')
        self.add_argument(
            '--check', action='store_true',
            help='check config, data, weights and number of GPUs, then stop')

    def parse_args(self, *args, **kwargs) -> argparse.Namespace:
        options = super().parse_args(*args, **kwargs)
        os.environ.setdefault('LOCAL_RANK', str(options.local_rank))
        return options


def run(main: Callable[[], None], interrupted: str = 'interrupted') -> None:
    """Runs a tool; a :class:`UserError` becomes one line and exit status 2, Ctrl-C one and 130.

    With ``MMATTN_DEBUG=1`` they keep their traceback, as all other errors always do.

    Args:
        main: What the tool does.
        interrupted: What to print after Ctrl-C.
    """
    try:
        main()
    except (UserError, KeyboardInterrupt) as error:
        if os.environ.get('MMATTN_DEBUG') == '1':
            raise
        line, status = (f'error: {error}', 2) if isinstance(error, UserError) else (interrupted, 130)
        # Once per machine, not once per process.
        if all(os.environ.get(names[2], '0') == '0' for names in LAUNCHER_VARIABLES.values()):
            print(line, file=sys.stderr)
        sys.exit(status)


def load_config(path: str | Path, overrides: dict | None = None) -> Config:
    """Reads a config and lays the overrides of the command line over it.

    Args:
        path: Path of the config.
        overrides: Values by their key in dotted form, as ``--cfg-options`` has them.

    Raises:
        UserError: The file, one of its bases, or a package it names is missing, or it cannot be read, or the
            overrides do not fit it.
    """
    if not Path(path).is_file():
        raise UserError(f"no config at '{path}'; give the path of a file, for instance configs/mask_rcnn_sda.py")
    try:
        cfg = Config.fromfile(path)
    except ModuleNotFoundError as error:
        raise UserError(f'{path} needs a package that is missing ({one_line(error)}); install everything with: '
                        'bash tools/setup_env.sh') from error
    except FileNotFoundError as error:
        raise UserError(f'{path} builds on a file that is missing ({one_line(error)}); correct its _base_') from error
    except Exception as error:  # noqa: BLE001  a config is a program, and may raise anything
        raise UserError(f'{path} cannot be read: {kind_and_text(error)}; correct it there') from error
    try:
        cfg.merge_from_dict(overrides or {})
    except Exception as error:  # noqa: BLE001  mmengine raises many kinds for keys that the config has not
        raise UserError(f'--cfg-options do not fit {path} ({kind_and_text(error)}); correct the key') from error
    return cfg


def load_network_config(path: str | Path) -> Config:
    """Reads a config of whose model only the network is of interest, without log lines.

    Args:
        path: Path of the config.

    Raises:
        UserError: As `load_config`, or the config has no model with a backbone, or its library is not installed.
    """
    with quiet():
        cfg = load_config(path)
    if not cfg.get('model', {}).get('backbone'):
        raise UserError(f'{path} describes no model with a backbone')
    check_packages(cfg)
    return cfg


def set_work_dir(cfg: Config, config_path: str, work_dir: str | None) -> None:
    """The command line goes before the config, and the config before the default."""
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(config_path).stem)
    check_output(cfg.work_dir, folder=True)


def build_runner(cfg: Config, launcher: str, loops: tuple[str, ...]) -> Runner:
    """Registers the library of the config, sets up its processes, and builds its runner.

    Args:
        cfg: The config.
        launcher: What started the processes.
        loops: Those to build at once, with their data sets: of 'train', 'val' and 'test'.

    Raises:
        UserError: If something in the config has an unknown type or a wrong argument.
    """
    register_modules(cfg)
    init_processes(cfg, launcher)
    try:
        runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
        for loop in loops:
            getattr(runner, f'{loop}_loop')  # mmengine builds it when it is first asked for
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f'what the config describes cannot be built ({kind_and_text(error)}); mend it there '
                        '(MMATTN_DEBUG=1 shows where it was raised)') from error
    return runner


def register_modules(cfg: Config) -> None:
    """Makes the modules of the config's library (its ``default_scope``) known to mmengine."""
    check_packages(cfg)
    scope = cfg.get('default_scope')
    if scope in ('mmdet', 'mmpretrain'):
        library = importlib.import_module(f'{scope}.utils')
        library.register_all_modules(init_default_scope=False)
    if scope == 'mmpretrain':
        _default_dataloaders(cfg)


def _default_dataloaders(cfg: Config) -> None:
    """mmpretrain's configs leave these to its own training script."""
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = cfg.get(name)
        if loader is not None:
            loader.setdefault('collate_fn', dict(type='default_collate'))
            loader.setdefault('pin_memory', torch.cuda.is_available())
            loader.setdefault('persistent_workers', loader.get('num_workers', 0) > 0)


def init_processes(cfg: Config, launcher: str) -> None:
    """Prepares the config for a distributed run; without a GPU, over gloo.

    mmengine's own initialisation sets CUDA devices whatever the backend, so on CPUs the process
    group is created here; mmengine then uses the group that it finds.

    Raises:
        UserError: If the launcher did not start this process.
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
    wrapper = cfg.get('model_wrapper_cfg')
    if wrapper is None:
        wrapper = dict(
            type='MMDistributedDataParallel', broadcast_buffers=False,
            find_unused_parameters=cfg.get('find_unused_parameters', False))
    cfg.model_wrapper_cfg = {**wrapper, 'device_ids': None}
