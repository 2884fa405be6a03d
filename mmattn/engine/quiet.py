"""Building without mmengine's several log lines for each initialised parameter, and without prints."""
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout


@contextmanager
def quiet() -> Iterator[None]:
    """Lets nothing below errors be logged."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def silent() -> Iterator[None]:
    """As :func:`quiet`, and drops what is printed to stdout, as pycocotools and the mm libraries do."""
    with quiet(), redirect_stdout(io.StringIO()):
        yield
