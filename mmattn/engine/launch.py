"""Launching of the command-line tools: options, config, errors, settings of the process."""

import argparse
import importlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import torch
from mmengine.config import Config, DictAction

from mmattn.commands import installation
from mmattn.errors import ProcessError, RunError, UserError, kind_and_text, one_line
from mmattn.shipped import TOOLS

from . import arguments
from .failures import cannot_write, loader_killed
from .notes import has_launcher
from .preflight import check_packages
from .process import SWITCH, keep_freed_memory, weights_only, without_collecting
from .processes import TIMEOUT, end_processes, end_with_launcher, leave_at_once, leave_note, of_other_process
from .quiet import quiet, without_hints
from .resuming.stopping import Stopped
from .scope import LIBRARIES, scope_of

# Where each launcher states rank, number of processes, and rank within the machine.
LAUNCHER_VARIABLES = {
    'pytorch': ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
    'mpi': ('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK'),
}

# Seconds after which a process that fails says so itself: the launcher ends it earlier if the first one failed, too.
ALONE_AFTER = 3

ENVIRONMENT = f"""\
Environment variables:
  {SWITCH}=0  give freed memory back to the system at once: slower on a CPU, and the process stays smaller
  MMATTN_FASTER=0  compute attention by its formulas on a CPU, without faster ways to the same numbers
  MMATTN_NONFINITE=1  load weights that hold NaN or infinity, which are refused otherwise
  {TIMEOUT}=1800  seconds after which a process that waits for another in vain ends a distributed run
  MMATTN_DEBUG=1   show the traceback of every error
"""


class OverrideAction(DictAction):
    """mmengine's action for ``--cfg-options``, to which a malformed item is a usage error."""

    def __call__(self, parser: argparse.ArgumentParser, *args, **kwargs) -> None:
        try:
            super().__call__(parser, *args, **kwargs)
        except (ValueError, AssertionError) as error:  # an item without '=', or unbalanced brackets
            parser.error(f'--cfg-options takes KEY=VALUE items ({error})')


def add_cfg_options(parser: argparse.ArgumentParser, example: str = '') -> None:
    """Gives a parser the option that overrides settings of a config.

    Args:
        parser: Parser of a tool.
        example: What its help says behind the description.
    """
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OverrideAction,
        metavar='KEY=VALUE',
        help=f'override settings of the config{example}',
    )


class ArgumentParser(arguments.ArgumentParser):
    """Parser with the options that ``tools/train.py`` and ``tools/test.py`` share.

    Args:
        description: What the tool does, in one line.
        examples: Commands with comments, for the end of the help.
    """

    def __init__(self, description: str, examples: str) -> None:
        super().__init__(description=description, epilog=f'Examples:\n{examples}\n{ENVIRONMENT}')
        self.add_argument(
            'config', type=arguments.config, help='path of an mmdet, mmpretrain or mmseg config, or mmattn::NAME'
        )

    def add_shared_options(self) -> None:
        self.add_argument(
            '--work-dir', metavar='DIR', help='where logs and results go (default: work_dirs/<name of the config>)'
        )
        add_cfg_options(self, ': optim_wrapper.optimizer.lr=0.01 a.b="[1,2]"')
        self.add_argument(
            '--gpus',
            type=arguments.positive,
            default=1,
            metavar='N',
            help='number of GPUs of this machine or, without any, of CPU processes (default: 1)',
        )
        self.add_argument('--device', choices=['cpu', 'cuda'], help='cpu: leave GPUs alone (default: use them)')
        self.add_argument(
            '--launcher',
            choices=['none', *LAUNCHER_VARIABLES],
            default='none',
            help='what started the processes of a distributed run (default: none)',
        )
        self.add_argument(
            '--local_rank', '--local-rank', type=int, default=0, help='set by older launchers of torch; not for you'
        )
        self.add_argument(
            '--check',
            action='store_true',
            help='check config, data, weights and GPUs, try evaluation, drawing and a training step, then stop',
        )

    def parse_args(self, *args, **kwargs) -> argparse.Namespace:  # type: ignore[override]  # all its overloads
        options = super().parse_args(*args, **kwargs)
        if options.device == 'cpu':  # before CUDA is initialised
            os.environ['CUDA_VISIBLE_DEVICES'] = ''
        if options.gpus > 1 and options.launcher == 'none' and 'LOCAL_WORLD_SIZE' not in os.environ:
            start_processes(options.gpus)
        os.environ.setdefault('LOCAL_RANK', str(options.local_rank))
        return options


def start_processes(count: int) -> NoReturn:
    """Starts the tool that runs again, in several processes of this machine, as ``dist_train.sh`` does.

    Args:
        count: Number of processes, which should be that of the GPUs.
    """
    script = os.path.abspath(str(sys.modules['__main__'].__file__))
    started = ['bash', '-euc', 'source "$0"; launch "$@"', TOOLS / 'torchrun.sh', count, script, *sys.argv[1:]]
    sys.stdout.flush()
    os.execvpe('bash', list(map(str, started)), {**os.environ, 'PYTHON': sys.executable})


def run(main: Callable[[], None], interrupted: str = 'interrupted') -> None:
    """Runs a tool; a `UserError` becomes its message and exit status 2, Ctrl-C a line and 130.

    A `RunError` becomes its message and exit status 1, and so does a full disk; a training that a signal stopped a line
    and 128 plus its number. With ``MMATTN_DEBUG=1`` they keep their traceback, as all other errors always do. The
    process keeps freed memory, see `mmattn.engine.process.keep_freed_memory`, and ``torch.load``, wherever it is
    called, runs nothing, see `mmattn.engine.process.weights_only`.

    Args:
        main: Function without arguments that is the tool.
        interrupted: Text to print after Ctrl-C.
    """
    keep_freed_memory()
    end_with_launcher()
    finished, said, status = False, False, 1
    try:
        with weights_only():
            main()
        finished = True
    except (Exception, KeyboardInterrupt) as raised:
        error = of_other_process(raised) or loader_killed(raised) or cannot_write(raised) or raised
        foreseen = isinstance(error, (UserError, RunError, Stopped, KeyboardInterrupt))
        if os.environ.get('MMATTN_DEBUG') == '1' or not foreseen and not has_launcher():
            raise
        line, status = _line_and_status(error, interrupted)
        if has_launcher():  # it says how the run ended
            leave_note(error, line, status)
        else:
            _say(error, line)
        said = True
        sys.exit(status)
    finally:
        if end_processes(finished, status) and (finished or said):
            leave_at_once(0 if finished else status)


def _say(error: BaseException, line: str) -> None:
    """Says once per machine, not once per process, how a run ended."""
    others = [os.environ[names[2]] for names in LAUNCHER_VARIABLES.values() if os.environ.get(names[2], '0') != '0']
    if others and isinstance(error, UserError):
        time.sleep(ALONE_AFTER)
        line = f'{line} (process {others[0]} of this machine)'
    if not others or isinstance(error, UserError) or isinstance(error, ProcessError) and not error.follows:
        print(line, file=sys.stderr)


def _line_and_status(error: BaseException, interrupted: str) -> tuple[str, int]:
    if isinstance(error, Stopped):
        return str(error), error.exit_status
    if isinstance(error, KeyboardInterrupt):
        return interrupted, 130
    return f'error: {error}', 2 if isinstance(error, UserError) else 1


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
        raise UserError(
            f'{path} needs a package that is missing ({one_line(error)}); install everything with: '
            f'{installation(str(error))}'
        ) from error
    except FileNotFoundError as error:
        raise UserError(f'{path} builds on a file that is missing ({one_line(error)}); correct its _base_') from error
    except ImportError as error:  # mmengine's text lists all folders that Python searches
        raise UserError(
            f'{path} imports what cannot be imported ({one_line(error.__cause__ or error)}); correct its '
            'custom_imports, or install it'
        ) from error
    except Exception as error:  # noqa: BLE001  a config is a program, and may raise anything
        raise UserError(f'{path} cannot be read: {kind_and_text(error)}; correct it there') from error
    try:
        cfg.merge_from_dict(overrides or {})
    except Exception as error:  # noqa: BLE001  mmengine raises many kinds for keys that the config has not
        raise UserError(f'--cfg-options do not fit {path} ({kind_and_text(error)}); correct the key') from error
    if cfg.get('default_scope', '') is None:  # as in configs of pure Python, whose types are classes
        cfg.default_scope = scope_of(cfg)
    return cfg


def load_network_config(path: str | Path) -> Config:
    """Reads a config, without log lines, for its network alone.

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


def register_modules(cfg: Config) -> None:
    """Makes the modules of the config's library (its ``default_scope``) known to mmengine."""
    check_packages(cfg)
    scope = scope_of(cfg)
    if scope in LIBRARIES:
        with without_collecting(), without_hints():
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
