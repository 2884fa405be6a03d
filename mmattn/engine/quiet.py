"""Building without mmengine's several log lines for each initialised parameter, and without prints."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from mmengine.logging import MMLogger


@contextmanager
def quiet(level: int = logging.WARNING) -> Iterator[None]:
    """Lets nothing of this level and below be logged, and gives no advice, as `without_advice`."""
    before = logging.root.manager.disable
    _disable(level)
    try:
        with without_advice():
            yield
    finally:
        _disable(before)


@contextmanager
def without_advice() -> Iterator[None]:
    """Drops what mmsegmentation advises, by warnings, of each of its heads, losses and hooks that is built."""
    with warnings.catch_warnings():
        for text in ('Default ``avg_non_ignore`` is False', 'For binary segmentation, we', 'The draw is False'):
            warnings.filterwarnings('ignore', text)
        yield


def _disable(level: int) -> None:
    logging.disable(level)
    # Loggers remember which levels they log; logging has only those forget it that it made itself.
    for logger in MMLogger._instance_dict.values():
        logger._cache.clear()


@contextmanager
def silent() -> Iterator[None]:
    """As `quiet`, and drops what is printed to stdout, as pycocotools and the mm libraries do."""
    with quiet(), redirect_stdout(io.StringIO()):
        yield


@contextmanager
def without_hints() -> Iterator[None]:
    """Drops what mmdet says of further packages that it could use, while it is imported."""
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'faster_coco_eval is not installed')
        yield


@contextmanager
def mute() -> Iterator[None]:
    """As `silent`, and drops errors in the log, warnings and what is printed to stderr too."""
    with (
        quiet(logging.CRITICAL),
        redirect_stdout(io.StringIO()),
        redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter('ignore')
        yield
