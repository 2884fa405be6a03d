"""Exceptions of this package, and an exception as one line of text."""

from collections.abc import Iterator
from contextlib import contextmanager

# Letters that a message about a file of strangers has at most.
LINE = 300


class UserError(Exception):
    """Something that the user can correct; its message says in a line, or a few, what is wrong and what to do."""


class RunError(Exception):
    """Something that spoiled a run and that no change of its settings would have; the message says in a line what."""


class ProcessError(RunError):
    """A process that a run needs died or hangs, so that the run may succeed when it is started again.

    Args:
        message: What happened, in a line.
        follows: Whether another process says more about the cause.
    """

    def __init__(self, message: str, follows: bool = False) -> None:
        super().__init__(message)
        self.follows = follows


class CheckpointError(ValueError):
    """A checkpoint file that cannot be read safely, or holds no weights; the message names the file and says why."""


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turns whatever is raised inside the context, by a library or by what a config holds, into a UserError.

    Args:
        what: What cannot be done, the beginning of the message. A UserError keeps its own.
    """
    try:
        yield
    except UserError:
        raise
    except OSError as error:
        raise UserError(f'{what} ({one_line(error)})') from error
    except Exception as error:
        raise UserError(
            f'{what} ({kind_and_text(error)}); correct the config, or see with MMATTN_DEBUG=1 where it was raised'
        ) from error


def one_line(error: object) -> str:
    """The text of an exception, or of anything else, without line breaks."""
    return ' '.join(str(error).split())


def first_line(error: BaseException, most: int = 150) -> str:
    """The first line of an exception's text, without what PyTorch adds of its own frames, shortened."""
    return shortened((str(error).strip().splitlines() or [type(error).__name__])[0], most)


def shortened(text: str, most: int) -> str:
    """Text of a file in one line for a terminal: nothing but what can be printed, and the middle left out if long."""
    if len(text) > most:
        text = f'{text[: most // 2]} … {text[-(most // 2 - 3) :]}'
    return ''.join(letter if letter.isprintable() else '\N{REPLACEMENT CHARACTER}' for letter in text)


def kind_and_text(error: BaseException) -> str:
    """The class and the text of an exception in one line, shortened to fit into a message; of a UserError its text."""
    if isinstance(error, UserError):
        return one_line(error)
    return f'{type(error).__name__}: {one_line(error)[:300]}'
