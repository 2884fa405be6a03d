"""Processes of their own for what is measured.

There is neither memory that other models have left behind nor anything that they have set for the whole process.
"""
from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from mmattn.preflight import UserError

from .passes import Pass
from .subject import Other, Ours, Shapes
from .treatment import Treatment


@dataclass(frozen=True)
class Job:
    """What a process measures: `subject` under `treatment` on inputs of `shapes`."""

    subject: Ours | Other
    treatment: Treatment
    training: bool
    shapes: Shapes
    threads: int
    input_gradient: bool

    @property
    def name(self) -> str:
        return f'{self.subject.name} ({self.treatment.name})'

    def prepare(self) -> nn.Module:
        """The model, ready to run, and PyTorch with the right number of threads."""
        torch.set_num_threads(self.threads)
        return self.treatment.prepare(self.subject.build(), self.training)

    def passes(self, model: nn.Module, shapes: Shapes | None = None) -> Pass:
        """Passes through what `prepare` returned, with inputs of other shapes where some are given."""
        return Pass(model, shapes or self.shapes, self.training, self.treatment, self.input_gradient)


@contextmanager
def process_for(job: Job, environment: Mapping[str, str] | None = None) -> Iterator[Callable]:
    """A fresh process, as a function ``call(function, *args)`` that returns what ``function(*args)`` returns there.

    Args:
        job: what the process is for.
        environment: variables that it gets beside those of this process.

    Raises:
        UserError: from the function, where the process ran out of memory or the model does not run.
    """
    def call(function: Callable, *args) -> object:
        with _environment(environment or {}):  # the process starts with the first call
            future = pool.submit(function, *args)
        with errors_of(job.name):
            return future.result()

    # An interrupt from the keyboard reaches both processes; it ends this one, which then ends the other.
    with ProcessPoolExecutor(1, multiprocessing.get_context('spawn'), initializer=signal.signal,
                             initargs=(signal.SIGINT, signal.SIG_IGN)) as pool:
        yield call


@contextmanager
def errors_of(name: str) -> Iterator[None]:
    """Turns what goes wrong when a model runs, which is the user's to mend, into a UserError that names the model."""
    try:
        yield
    except UserError as error:
        raise UserError(f'{name} {error}') from error
    except BrokenProcessPool as error:
        raise UserError(f'{name} was ended by the system: there is probably too little memory; use a smaller '
                        '--batch') from error
    except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError) as error:
        raise UserError(f'{name} does not run: {" ".join(str(error).split())[:300]}') from error


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
