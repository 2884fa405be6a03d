"""Files of the data sets of a run: what must not be trained on is refused, what is left out is counted."""
from __future__ import annotations

from collections.abc import Iterator

from mmengine.config import Config

from mmattn.data.check import check_of
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
        A line for each kind of objects that the run leaves out.

    Raises:
        UserError: Something would raise, train on nothing or be wrong in silence.
    """
    seen = set()
    for split in splits_read(cfg, splits):
        for _, dataset in datasets_in(cfg[f'{split}_dataloader'].get('dataset'), ''):
            check = check_of(dataset)
            if check is None or (check.title, str(check.fill)) in seen:
                continue
            seen.add((check.title, str(check.fill)))
            problems = check.run(seconds=seconds).problems
            for kind, details in problems.kinds(left_out=False).items():
                more = f' (and {len(details) - NAMED} more)' if len(details) > NAMED else ''
                raise UserError(f'{check.title}: {kind}: {_named(details, "; ")}{more}; look through the data with: '
                                f'python tools/prepare_data.py check CONFIG --split {split}')
            for kind, details in problems.kinds(left_out=True).items():
                more = ', …' if len(details) > NAMED else ''
                yield f'{check.title}: left out: {len(details)} {kind}: {_named(details, ", ")}{more}'


def _named(details: list[str], between: str) -> str:
    return between.join(map(str, details[:NAMED]))
