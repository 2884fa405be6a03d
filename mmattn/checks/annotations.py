"""Files of the data sets of a run: what must not be trained on is refused, what is left out is counted."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator

from mmengine.config import Config

from mmattn.commands import command
from mmattn.data.check import Check, check_of, reads_masks
from mmattn.data.report import Report
from mmattn.engine.paths import is_local, joined
from mmattn.engine.preflight import datasets_in, splits_read
from mmattn.engine.types import type_name
from mmattn.errors import UserError

# The time for which images of a data set are decoded, each of which is looked for in any case.
SECONDS = 20.0
NAMED = 3


def check_annotations(cfg: Config, splits: tuple[str, ...], seconds: float = SECONDS) -> Iterator[str]:
    """Looks through the files of each data set once.

    Args:
        cfg: Config of the run, its data in place.
        splits: Splits that the run will read, any of 'train', 'val' and 'test'.
        seconds: Time for which images of a data set are decoded.

    Yields:
        A line for each kind of objects that the run leaves out, for each that is doubtful, and on images that were not
        decoded.

    Raises:
        UserError: Something would raise, train on nothing or be wrong in silence.
    """
    seen = set()
    for split in splits_read(cfg, splits):
        segm = split != 'train' and reads_masks(cfg.get(f'{split}_evaluator'))
        for _, dataset in datasets_in(cfg[f'{split}_dataloader'].get('dataset'), ''):
            check = check_of(dataset, segm=segm or None)
            if check is None or (check.title, str(check.fill)) in seen:
                continue
            seen.add((check.title, str(check.fill)))
            yield from _lines(check.run(seconds=seconds), split, cfg)


def check_evaluator_files(cfg: Config, split: str) -> Iterator[str]:
    """Looks through annotations that an evaluator reads from another file than the data set of its split does.

    The images of the file are those of the data set, as `mmattn.checks.evaluators` makes sure, and are not looked for:
    they may be those of several data sets, in folders of their own.

    Yields:
        Lines, as `check_annotations` does.

    Raises:
        UserError: As there.
    """
    for check in _of_evaluators(cfg, split):
        yield from _lines(check.run(seconds=0), split, cfg)


def _of_evaluators(cfg: Config, split: str) -> Iterator[Check]:
    datasets = [each for _, each in datasets_in(cfg[f'{split}_dataloader'].get('dataset'), '')]
    files = {_absolute(each.get('data_root'), each.get('ann_file')) for each in datasets}
    evaluators = cfg.get(f'{split}_evaluator')
    for evaluator in evaluators if isinstance(evaluators, (list, tuple)) else [evaluators]:
        path = evaluator.get('ann_file') if type_name(evaluator) == 'CocoMetric' else None
        if datasets and is_local(path) and _absolute('', path) not in files:
            check = check_of(
                {**datasets[0], 'ann_file': os.path.abspath(path)},
                evaluated=True,
                segm=reads_masks(evaluator),
                images=False,
            )
            if check is not None:
                yield check


def _absolute(root: object, path: object) -> str | None:
    return os.path.abspath(joined(str(root or ''), path)) if isinstance(path, str) else None


def check_command(cfg: Config, split: str) -> str:
    """The command that looks through the data of a split.

    Args:
        cfg: Config of the run, which knows its file where it was read from one.
        split: One of 'train', 'val' and 'test'.
    """
    return f'{command("check")} {shlex.quote(cfg.filename) if cfg.filename else "CONFIG"} --split {split}'


def _lines(report: Report, split: str, cfg: Config) -> Iterator[str]:
    problems = report.problems
    for kind, details in problems.kinds().items():
        raise UserError(
            f'{report.title}: {kind}: {_named(details, "; ")}; look through the data with: {check_command(cfg, split)}'
        )
    for kind, details in problems.kinds(left_out=True).items():
        how = '' if kind.endswith('(left out)') else ', left out'
        yield f'{report.title}: {kind}{how}: {len(details)}: {_named(details, ", ")}'
    for kind, details in problems.kinds(doubtful=True).items():
        yield f'{report.title}: {kind}: {len(details)}: {_named(details, ", ")}'
    yield from (
        f'{report.title}: {note}'
        for note in report.notes
        if note.startswith('images decoded') and ' in 0 s' not in note
    )


def _named(details: list[str], between: str) -> str:
    more = f' (and {len(details) - NAMED} more)' if len(details) > NAMED else ''
    *_, advice = details[0].rpartition('; ')
    first = details[:NAMED]
    if len(first) > 1 and all(each.endswith(f'; {advice}') for each in first):
        # What to do is the same for all, and said once.
        return between.join(each.removesuffix(f'; {advice}') for each in first) + f'{more}; {advice}'
    return between.join(first) + more
