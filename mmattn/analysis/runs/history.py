"""The history of a training, read from the work folder of mmengine's Runner."""

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmattn.commands import command
from mmattn.errors import UserError

TIMESTAMP = re.compile(r'\d{8}_\d{6}')


@dataclass
class Validation:
    """One validation and when it took place.

    Args:
        iteration: Last logged iteration before the validation.
        epoch: Epoch that the validation followed, or None if the training was counted in iterations.
        metrics: Logged values by name without prefix ('bbox_mAP_50').
    """

    iteration: int
    epoch: int | None
    metrics: dict[str, float]


@dataclass
class History:
    """What was logged on the way to the present state of a work folder.

    Args:
        iterations: Logged iterations, ascending.
        losses: Total loss at these iterations.
        validations: Validations, in order.
        wall_time: Seconds of training and evaluation, or None if not recorded.
        peak_memory: Peak memory in bytes, or None if not recorded.
        device: Last device trained on, or None if not recorded.
        at_least: Whether time and memory are lower bounds, because a part was killed before it could record them: of
            it only the logged iterations are counted.
    """

    iterations: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    validations: list[Validation] = field(default_factory=list)
    wall_time: float | None = None
    peak_memory: int | None = None
    device: str | None = None
    at_least: bool = False


def counted_in(validations: Sequence[Validation]) -> str:
    """What the position of these validations is counted in, 'epoch' or 'iteration'.

    Args:
        validations: Validations of one or several trainings.
    """
    return 'epoch' if all(validation.epoch is not None for validation in validations) else 'iteration'


def duration(seconds: float) -> str:
    """A time in words, for instance '3 min 07 s' or '2 h 05 min'.

    Args:
        seconds: Time in seconds.
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours} h {minutes:02d} min' if hours else f'{minutes} min {rest:02d} s'


def read_history(work_dir: str | Path) -> History:
    """Reads all parts of a training; a resumed one has a folder, named by time, for each part.

    What an interrupted part did after the checkpoint that the next one resumed from is left out
    of the curves, but not of the wall time. A training started afresh in the same folder replaces
    those before it.

    Args:
        work_dir: Work folder of the training.

    Raises:
        UserError: There is no such folder, no training or no validation in it, or a damaged log.
    """
    work_dir = Path(work_dir)
    if not work_dir.is_dir():
        raise UserError(f"no folder '{work_dir}'; name the --work-dir of a training")
    history = History()
    resources: list[dict] = []
    unrecorded: list[float] = []
    for part in sorted(path for path in work_dir.iterdir() if TIMESTAMP.fullmatch(path.name)):
        records = _read_records(part / 'vis_data' / 'scalars.json')
        trained = [record['step'] for record in records if 'loss' in record]
        if not trained:  # a test, or a start that failed
            continue
        _drop_from(history, trained[0])
        if not history.iterations:
            resources, unrecorded = [], []
        _append(history, records)
        recorded = _read_resources(part / 'resources.json')
        if recorded is None:
            unrecorded.append(_logged_seconds(records))
        else:
            resources.append(recorded)
    named = shlex.quote(str(work_dir))
    if not history.iterations:
        raise UserError(f"no training in '{work_dir}'; train first: {command('train')} CONFIG --work-dir {named}")
    if not history.validations:
        raise UserError(
            f"the training in '{work_dir}' broke off before its first validation; go "
            f'on with: {command("train")} CONFIG --work-dir {named} --resume'
        )
    if resources:  # else the hook that records them was not in the config
        history.at_least = bool(unrecorded)
        history.wall_time = sum(part['wall_time_s'] for part in resources) + sum(unrecorded)
        history.peak_memory = max(part['peak_memory_bytes'] for part in resources)
        history.device = resources[-1]['device']
    return history


def _drop_from(history: History, iteration: int) -> None:
    kept = sum(step < iteration for step in history.iterations)
    del history.iterations[kept:], history.losses[kept:]
    history.validations = [validation for validation in history.validations if validation.iteration < iteration]


def _append(history: History, records: list[dict]) -> None:
    epoch = None
    for record in records:
        if 'loss' in record:
            history.iterations.append(record['step'])
            history.losses.append(record['loss'])
            epoch = record.get('epoch')
        elif history.iterations:
            metrics = {name.rsplit('/', 1)[-1]: value for name, value in record.items()}
            history.validations.append(Validation(history.iterations[-1], epoch, metrics))


def _read_records(path: Path) -> list[dict]:
    """One JSON object a line; the last line may be partial, as a killed process leaves it."""
    if not path.is_file():
        return []
    lines = path.read_bytes().split(b'\n')
    records = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            if not isinstance(record, dict) or not all(
                isinstance(record.get(name, otherwise), kind)
                for name, otherwise, kind in (('step', None, int), ('epoch', 0, int), ('loss', 0, (int, float)))
            ):
                raise ValueError
        except ValueError as error:
            if number == len(lines):  # only the last has no newline after it
                break
            raise UserError(f'{path} is damaged in line {number}; delete that line, or train again') from error
        records.append(record)
    return records


def _logged_seconds(records: list[dict]) -> float:
    """Time of the logged iterations of a part: that of one, as it is logged, times their number since the last log."""
    seconds, before = 0.0, None
    for record in records:
        if 'loss' in record:
            if before is not None and isinstance(record.get('time'), (int, float)):
                seconds += record['time'] * (record['step'] - before)
            before = record['step']
    return seconds


def _read_resources(path: Path) -> dict | None:
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text('utf-8'))
        return {name: content[name] for name in ('wall_time_s', 'peak_memory_bytes', 'device')}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f'{path} is damaged; delete it to report without time and memory') from error
