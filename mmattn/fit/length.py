"""Length of a training: as many epochs as fit into the minutes that there are, or as many as were asked for."""

from __future__ import annotations

import math

from mmattn.analysis.runs.history import duration

from .choice import Choice
from .timing import Times

# Epochs beyond which more hardly help a small data set; and iterations before which a training gives little.
MOST_EPOCHS, FEWEST_ITERATIONS = 100, 300
# Validations in a training, and the share of its time that they may take at most.
VALIDATIONS, VALIDATION_SHARE = 10, 0.15
# Of the time that is left, what is planned for training: iterations later on may be slower than the first.
PLANNED = 0.9


def epochs_in(times: Times, seconds: float) -> Choice:
    """Number of epochs that fit into a time, with validations and, at the end, the report.

    Args:
        times: Measured times of this training.
        seconds: Seconds that are left for training, validation and report.
    """
    left = PLANNED * seconds - times.validation  # of the report
    epoch = times.iteration * times.iterations
    count = max((count for count in range(MOST_EPOCHS + 2) if _total(count, times) <= left), default=0)
    reason = f'{times.iteration:.2f} s an iteration, measured, {times.iterations} an epoch'
    if count < 1:
        count = 1
        reason += f'; even one epoch takes {duration(epoch)}'
    elif count > MOST_EPOCHS:
        count = MOST_EPOCHS
        reason += '; more rarely help, --epochs asks for them'
    return _choice(count, reason + _short(count, times, '--minutes'), times)


def epochs_asked(count: int, times: Times) -> Choice:
    """The number of epochs that was asked for, with the time that it takes.

    Args:
        count: Number of epochs.
        times: Measured times of this training.
    """
    return _choice(
        count, f'as asked for; {times.iteration:.2f} s an iteration, measured' + _short(count, times, '--epochs'), times
    )


def _short(count: int, times: Times, option: str) -> str:
    steps = count * times.iterations
    return f'; {steps} iterations are few to learn from, {option} gives more' if steps < FEWEST_ITERATIONS else ''


def _choice(count: int, reason: str, times: Times) -> Choice:
    return Choice('length', count, reason, f'{count} epoch{"s" if count > 1 else ""}, {duration(_total(count, times))}')


def validation_interval(epochs: int, times: Times) -> int:
    """Number of epochs from one validation to the next.

    Args:
        epochs: Number of epochs of the training.
        times: Measured times of this training.
    """
    affordable = VALIDATION_SHARE * epochs * times.iteration * times.iterations / max(times.validation, 1e-9)
    return max(1, math.ceil(epochs / max(1, min(VALIDATIONS, affordable))))


def _total(epochs: int, times: Times) -> float:
    """Seconds of a training with its validations."""
    validations = math.ceil(epochs / validation_interval(epochs, times))
    return epochs * times.iteration * times.iterations + validations * times.validation
