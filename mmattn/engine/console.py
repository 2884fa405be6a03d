"""What a training shows on the terminal where its user wants progress and figures alone; the log file has all."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from mmengine.config import Config

# Of the lines below a warning those that begin so.
SHOWN = ('Epoch(', 'Iter(', 'The best checkpoint')


class _Brief(logging.Filter):
    """Lets warnings through, and of other lines those of iterations, validations and the best checkpoint."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            return 'will be deprecated' not in text
        # A validation says first how far it is, and its metrics in a line after.
        return text.startswith(SHOWN) and not ('(val)' in text and 'eta:' in text)


def make_brief(logger: logging.Logger, cfg: Config) -> None:
    """Has a runner's logger show less on the terminal, where the config has ``brief_console=True``.

    Args:
        logger: Logger of a runner, whose handlers are there.
        cfg: Config of the runner.
    """
    if not cfg.get('brief_console'):
        return
    for handler in logger.handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            handler.addFilter(_Brief())
            handler.stream = sys.__stdout__


@contextmanager
def without_prints() -> Iterator[None]:
    """Drops what libraries print to stdout, as pycocotools does in evaluations; a brief logger still writes there."""
    with redirect_stdout(io.StringIO()):
        yield
