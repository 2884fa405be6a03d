"""The steps of ``tools/fit.py``: read, split, decide, train, report; each is kept, so that the next start goes on."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from mmengine.config import Config

from mmattn.analysis.report import write_report
from mmattn.analysis.runs.history import duration
from mmattn.analysis.runs.work_dir import find_checkpoint
from mmattn.checks.run import train_checked
from mmattn.commands import command
from mmattn.data.formats.source import Source, read_source
from mmattn.data.text import printable
from mmattn.data.write_labels import write_labels
from mmattn.engine import launch
from mmattn.engine import settings as run_settings
from mmattn.engine.console import without_prints
from mmattn.engine.preflight import check_packages
from mmattn.engine.resuming.lock import locked
from mmattn.engine.resuming.stopping import Stopped
from mmattn.errors import UserError, one_line
from mmattn.files import write_text
from mmattn.shipped import TOOLS

from . import length
from .batch import this_device
from .config import config_text
from .parts import digest, divided, write_parts
from .plan import choose_length, choose_settings, choose_task
from .settings import Options, Settings
from .state import check_same, read_state, write_state
from .timing import Times, measure

CONFIG, SPLIT, DATA, DONE = 'config.py', 'split.json', 'data', 'report'
# What a start that broke off leaves.
OWN = ('.lock', CONFIG, SPLIT, DATA)
LISTED = 5
# mmengine puts a config's folder into the text of the config, between quotation marks.
IN_NO_CONFIG = r'["\\\n]'


def default_name(data: Path) -> str:
    """Name of a data set's work folder: that of its folder or file, without what no config can have in its path."""
    data = data.resolve()
    return re.sub(IN_NO_CONFIG, '_', data.name if data.is_dir() else data.stem)


def fit(options: Options, *, force: bool = False, only_config: bool = False) -> None:
    """Trains a model on a data set and reports what it gets wrong; goes on with what the work folder has of it.

    Args:
        options: What the command line asks for.
        force: Whether to start afresh, and remove what the work folder has.
        only_config: Whether to stop when the config is written.

    Raises:
        UserError: The data or the options do not permit it; the message says what to do.
    """
    start = time.monotonic()
    folder = options.work_dir
    if re.search(IN_NO_CONFIG, folder.resolve().as_posix()):
        raise UserError(
            f'{one_line(str(folder.resolve()))} has a quotation mark, a backslash or a line break in it, '
            'and no config can be there; start in another folder, or name another with --name'
        )
    source = read_source(options.data, options.format)
    _show(source)
    with locked(folder):
        state = read_state(folder)
        if state is None and any(each.name not in OWN for each in folder.iterdir()):
            raise UserError(
                f"'{folder}' holds something else than a training of this tool; name another folder with "
                '--name, or remove it'
            )
        if force:
            _clear(folder, options)
        elif state is not None:
            check_same(state, options, digest(source))
        if force or state is None:
            prepare(source, options, start)
        else:
            print(f'{folder} holds this training already: going on with it')
    if only_config:
        print(f'written: {folder / CONFIG}; train with: {command("train")} {shlex.quote(str(folder / CONFIG))}')
        return
    train(folder, options.gpus)
    report(folder)
    predict = f'{command("predict")} {shlex.quote(str(folder))} IMAGES'
    print(f'all in {duration(time.monotonic() - start)}; predict with: {predict}')


def _show(source: Source) -> None:
    for line in (source.describe(), *source.notes):
        print(printable(line))
    for line in source.findings.lines(LISTED, f'{command("check")} lists them'):
        print(f'  {line}')


def _clear(folder: Path, options: Options) -> None:
    """Empties a work folder, unless something that the new training reads is in it."""
    for needed in (options.data, options.split, Path(options.weights)):
        if needed is not None and needed.resolve().is_relative_to(folder.resolve()):
            raise UserError(
                f"--force would remove '{needed}', which is in '{folder}'; move it out of there, or name "
                'another folder with --name'
            )
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        elif each.name != '.lock':
            each.unlink()


def prepare(source: Source, options: Options, start: float) -> None:
    """Splits the data, decides on all settings, and writes data, config and a note of it all into the work folder."""
    folder, asked = options.work_dir, options
    task = choose_task(source, options.task)
    if task == 'semantic':
        check_packages(Config(dict(default_scope='mmseg')))
    parts, lines = divided(source, folder / SPLIT, options)
    print(*lines, sep='\n', end='\n' if lines else '')
    pictures = None
    if task == 'semantic':
        pictures = write_labels(source, parts, folder / DATA)
    else:
        write_parts(parts, source, folder / DATA)
    device = this_device(options.gpus)
    path = folder / CONFIG
    settings = choose_settings(source, parts, options, device, pictures)
    for choice in settings.choices.values():
        print(choice.line(), flush=True)
    while (times := _measured(settings, options, path)) is None:
        options = replace(options, batch=settings['batch'] // 2)
        settings = choose_settings(source, parts, options, device, pictures)
        print(f'  that takes more memory than there is: {options.batch} images a batch instead', flush=True)
    choose_length(settings, options, device, times, time.monotonic() - start)
    print(settings.choices['length'].line(), flush=True)
    _write_config(settings, options, path, times)
    write_state(
        folder,
        asked,
        digest(source),
        {name: f'{choice.shown or choice.value} ({choice.reason})' for name, choice in settings.choices.items()},
    )


def _measured(settings: Settings, options: Options, path: Path) -> Times | None:
    """Writes the config for one epoch and measures how long that takes; None if a smaller batch may fit into memory."""
    write_text(config_text(settings, path, 1, 1, 1, options.seed), path)
    print('  measuring how long an iteration takes …', flush=True)
    try:
        return measure(_load(path))
    except UserError as error:
        if isinstance(error.__cause__, torch.cuda.OutOfMemoryError) and settings['batch'] > 1:
            torch.cuda.empty_cache()
            return None
        raise


def _write_config(settings: Settings, options: Options, path: Path, times: Times) -> None:
    epochs = settings['length']
    interval = length.validation_interval(epochs, times)
    write_text(config_text(settings, path, epochs, interval, times.iterations, options.seed), path)


def _load(path: Path) -> Config:
    return launch.load_config(path)


def train(folder: Path, gpus: int) -> None:
    """Trains the config of a work folder, or goes on with it, on one process or several."""
    path = folder / CONFIG
    if gpus > 1:
        _train_on_several(path, gpus)
        return
    cfg = _load(path)
    run_settings.set_work_dir(cfg, path, str(folder))
    print(*run_settings.set_resume(cfg, 'auto'), sep='\n', flush=True)
    cfg.brief_console = True
    try:
        with without_prints():
            train_checked(cfg)
    except Stopped as stopped:
        stopped.how = 'again'
        raise


def _train_on_several(path: Path, gpus: int) -> None:
    options = ['--resume', '--cfg-options', 'brief_console=True']
    started = ['bash', str(TOOLS / 'dist_train.sh'), str(path), str(gpus), *options]
    with subprocess.Popen(started, env={**os.environ, 'PYTHON': sys.executable}) as child, _forwarded(child):
        status = child.wait()
    if status:
        sys.exit(status)


@contextmanager
def _forwarded(child: subprocess.Popen) -> Iterator[None]:
    """Passes on the signals that ask for an end, and waits for the child to save; a terminal sends it Ctrl-C itself."""
    before = {
        number: signal.signal(number, lambda got, _: child.send_signal(got))
        for number in (signal.SIGTERM, signal.SIGUSR1)
    }
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def report(folder: Path) -> None:
    """Reports what the best checkpoint of a work folder finds and gets wrong."""
    cfg = _load(folder / CONFIG)
    checkpoint = find_checkpoint(folder, best=True)
    result = write_report(cfg, checkpoint, folder / DONE, 'cuda' if torch.cuda.is_available() else 'cpu')
    print(*result.lines, sep='\n')
    print(f'report: {folder / DONE / "report.html"}')
