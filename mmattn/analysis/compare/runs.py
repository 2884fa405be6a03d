"""Runs: trainings as a comparison reads them from their work folders, complete, unfinished or damaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config

from mmattn.analysis.complexity import Complexity
from mmattn.analysis.evaluation.figures import Figures
from mmattn.analysis.runs.history import History, read_history
from mmattn.analysis.runs.metrics import in_percent
from mmattn.analysis.runs.work_dir import find_checkpoint, find_config, planned_end
from mmattn.errors import UserError, kind_and_text

from .latency import Latency
from .metrics import Evaluation

FINISHED, UNFINISHED, DAMAGED, NO_RESULT = 'finished', 'unfinished', 'damaged', 'no result'


@dataclass
class Run:
    """A training and what was found out about it; what could not be is None or empty, and explained in `notes`.

    Args:
        name: Name of the run in all tables and charts.
        work_dir: Work folder of the training, its ``--work-dir``.
        state: 'finished', 'unfinished', 'damaged', or 'no result' where there is no usable log of a validation.
        reached: How far an unfinished run came, for instance 'epoch 3 of 8', or what is damaged.
        history: Losses and validations of the training.
        cfg: Config of the training.
        config_path: Path of the config in the work folder.
        metrics: Metrics of the last validation in percent, by their names in `mmattn.analysis.runs.metrics`.
        complexity: Parameters and MACs of the network.
        evaluation: Evaluation of the predictions on the validation images.
        figures: Figures of these predictions by class, of their errors and scores.
        latency: Time of the network for one image on this machine.
        notes: What is missing and why, a sentence each.
        refused: Why its checkpoint, which was needed, was not read: it is damaged, or holds more than weights.
    """

    name: str
    work_dir: Path
    state: str = FINISHED
    reached: str = ''
    history: History | None = None
    cfg: Config | None = None
    config_path: Path | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    complexity: Complexity | None = None
    evaluation: Evaluation | None = None
    figures: Figures | None = None
    latency: Latency | None = None
    notes: list[str] = field(default_factory=list)
    refused: str | None = None

    @property
    def checkpoint(self) -> Path:
        """Path of the last checkpoint. Raises UserError if there is none."""
        return find_checkpoint(self.work_dir)


def read_run(name: str, work_dir: Path) -> Run:
    """Reads config and logs of a training; one that is damaged or unfinished is returned with this state.

    Args:
        name: Name of the run.
        work_dir: Work folder of the training.
    """
    run = Run(name, work_dir)
    try:
        run.history = read_history(work_dir)
    except Exception as error:  # noqa: BLE001  there are more ways to damage a log than one can name
        run.state, run.reached = NO_RESULT, kind_and_text(error)
        if not work_dir.is_dir():
            return run
    try:
        run.cfg, run.config_path = find_config(work_dir)
    except Exception as error:  # noqa: BLE001  a config is Python, and half of one may raise anything
        if run.history is None:
            run.notes.append(kind_and_text(error))
        else:
            run.state, run.reached = DAMAGED, kind_and_text(error)
    if run.history is None:
        return run
    run.metrics = in_percent(run.history.validations[-1].metrics)
    try:
        stopped = planned_end(run.cfg, run.history) if run.cfg is not None else None
        if stopped:
            run.state, run.reached = UNFINISHED, stopped
    except Exception as error:  # noqa: BLE001  as above
        run.state, run.reached, run.cfg = DAMAGED, kind_and_text(error), None
    if not run.metrics:
        run.notes.append(
            'its last validation gave neither AP, mIoU nor top-1: nothing was detected, or the evaluator is '
            'another than CocoMetric, IoUMetric or Accuracy'
        )
    return run


def read_runs(arguments: Sequence[str]) -> list[Run]:
    """The runs that a command line names.

    Args:
        arguments: Work folders, or NAME=FOLDER. Without a name, the last parts of the path that differ are the name.

    Raises:
        UserError: Two runs have one name, or one folder is named twice.
    """
    named = [_split(argument) for argument in arguments]
    short = _short_names([path for _, path in named])
    names = [name or short[path] for name, path in named]
    checked: list[tuple[list, str]] = [(names, 'are named'), ([path.resolve() for _, path in named], 'are in')]
    for values, what in checked:
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise UserError(f"two runs {what} '{twice}'; give each folder once, with a name of its own: NAME=RUN_DIR")
    return [read_run(name, path) for name, (_, path) in zip(names, named, strict=True)]


def find_run(runs: Sequence[Run], wanted: str) -> Run:
    """The run of a name or folder.

    Args:
        runs: Runs to choose from.
        wanted: Name or work folder of the run.

    Raises:
        UserError: There is no such run.
    """
    for run in runs:
        if wanted == run.name or Path(wanted).resolve() == run.work_dir.resolve():
            return run
    names = ', '.join(run.name for run in runs)
    raise UserError(f"the baseline '{wanted}' is none of the runs; choose one of: {names}")


def _split(argument: str) -> tuple[str | None, Path]:
    name, equals, path = argument.partition('=')
    if equals and name and '/' not in name and not Path(argument).exists():
        return name, Path(path)
    return None, Path(argument)


def _short_names(paths: Sequence[Path]) -> dict[Path, str]:
    """As many of the last parts of each path as tell it from the others."""
    parts = {path: path.resolve().parts for path in paths}
    names = {}
    for path, own in parts.items():
        others = [other for other in parts.values() if other != own]
        length = next((n for n in range(1, len(own)) if all(other[-n:] != own[-n:] for other in others)), len(own))
        names[path] = '/'.join(own[-length:])
    return names
