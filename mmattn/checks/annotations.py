"""Files of the data sets of a run: what must not be trained on is refused, what is left out is counted."""
from __future__ import annotations

from collections.abc import Iterator

from mmengine.config import Config

from mmattn.data.check import check_of, reads_masks
from mmattn.data.report import Report
from mmattn.engine.preflight import datasets_in, splits_read
from mmattn.errors import UserError

# The time for which images of a data set are decoded, each of which is looked for in any case.
SECONDS = 20.
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
            yield from _lines(check.run(seconds=seconds), split)


def _lines(report: Report, split: str) -> Iterator[str]:
    problems = report.problems
    for kind, details in problems.kinds().items():
        raise UserError(f'{report.title}: {kind}: {_named(details, "; ")}; look through the data with: '
                        f'python tools/prepare_data.py check CONFIG --split {split}')
    for kind, details in problems.kinds(left_out=True).items():
        how = '' if kind.endswith('(left out)') else ', left out'
        yield f'{report.title}: {kind}{how}: {len(details)}: {_named(details, ", ")}'
    for kind, details in problems.kinds(doubtful=True).items():
        yield f'{report.title}: {kind}: {len(details)}: {_named(details, ", ")}'
    yield from (f'{report.title}: {note}' for note in report.notes if note.startswith('images decoded'))


def _named(details: list[str], between: str) -> str:
    more = f' (and {len(details) - NAMED} more)' if len(details) > NAMED else ''
    return between.join(details[:NAMED]) + more
