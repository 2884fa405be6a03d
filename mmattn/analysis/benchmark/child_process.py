"""Child processes, in which everything is measured.

Each starts without the memory that other models have left behind, and without what they have set for the process.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import BaseContext

import torch
from torch import nn

from mmattn.errors import UserError, kind_and_text

from .passes import Pass
from .subject import Other, Ours, Shapes
from .treatment import Treatment

# The import of their modules takes seconds.
LIBRARIES = ('mmengine', 'mmcv', 'mmdet', 'mmpretrain')


@dataclass(frozen=True)
class Job:
    """What a process measures.

    Args:
        subject: What is run.
        treatment: How it runs; only what applies in `mode`.
        mode: One of MODES.
        shapes: Shapes of its inputs.
        threads: Number of PyTorch's threads.
        input_gradient: Whether the inputs get gradients in training.
    """

    subject: Ours | Other
    treatment: Treatment
    mode: str
    shapes: Shapes
    threads: int
    input_gradient: bool

    @property
    def name(self) -> str:
        return f'{self.subject.name} ({self.treatment.name})'

    def prepare(self) -> nn.Module:
        """The model, ready to run, in a process that is set up for it."""
        torch.set_num_threads(self.threads)
        self.treatment.set_process()
        return self.treatment.apply(self.subject.build(), self.mode)

    def passes(self, model: nn.Module, shapes: Shapes | None = None) -> Pass:
        """Passes through what `prepare` returned, with inputs of other shapes where some are given."""
        return Pass(model, shapes or self.shapes, self.mode, self.treatment, self.input_gradient)


@contextmanager
def process_for(job: Job) -> Iterator[Callable]:
    """A fresh process, as a function ``call(function, *args)`` that returns what ``function(*args)`` returns there.

    Raises:
        UserError: From the function, where the process ran out of memory or the model does not run.
    """

    def call(function: Callable, *args) -> object:
        try:
            with _interrupts_ignored():  # the process starts with the first call
                future = pool.submit(_call, job.name, function, *args)
            return future.result()
        except BrokenProcessPool as error:
            raise UserError(
                f'{job.name} was ended by the system: there is probably too little memory; use a smaller --batch'
            ) from error

    with ProcessPoolExecutor(1, _context(), initializer=_follow_parent) as pool:
        yield call


def _context() -> BaseContext:
    """Processes start as copies of one that has imported what this one has, and done nothing else: in no time."""
    if 'forkserver' not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context('spawn')
    context = multiprocessing.get_context('forkserver')
    imported = [name for name in sys.modules if name.partition('.')[0] in LIBRARIES]
    context.set_forkserver_preload([__name__, *imported])
    return context


def _call(name: str, function: Callable, *args) -> object:
    # Here, because not every error survives the way to the other process.
    with errors_of(name):
        return function(*args)


def _follow_parent() -> None:
    """Has this process end when its parent does, and not by an interrupt from the keyboard, which reaches both."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # as this runs in a process that another started
    parent.join()
    os._exit(1)


@contextmanager
def errors_of(name: str) -> Iterator[None]:
    """Turns what goes wrong when a model runs into a UserError that names the model."""
    try:
        yield
    except UserError as error:
        raise UserError(f'{name} {error}') from error
    except (torch.cuda.OutOfMemoryError, MemoryError) as error:
        raise UserError(f'{name} needs more memory than there is; use a smaller --batch') from error
    except Exception as error:  # noqa: BLE001  foreign code may raise anything
        raise UserError(f'{name} does not run ({kind_and_text(error)})') from error


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """What is started meanwhile ignores the keyboard's interrupts from its first moment on."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
