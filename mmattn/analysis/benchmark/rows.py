"""Rows of figures: models that are timed in turns, and the memory of each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from torch import nn

from .child_process import Job
from .memory import peak_memory
from .subject import Other, Ours, Shapes
from .timing import alternate, latency, spread, timer_of
from .treatment import Treatment


@dataclass(frozen=True)
class Settings:
    """What holds for everything in one run.

    Args:
        modes: Those of MODES that are measured.
        batch: Number of images in a pass.
        size: Height and width of the images, or of a module's feature map; None: as suits what is measured.
        repeats: Number of rounds that count.
        warmup: Number of passes before them.
        threads: Number of PyTorch's threads.
        treatment: How our models run.
        memory: Modes in which peak memory is measured, for which each figure takes a process of its own.
        resident: Whether to measure resident memory there, too.
        progress: Called with a line that says what is being done.
    """

    modes: tuple[str, ...]
    batch: int
    size: tuple[int, int] | None
    repeats: int
    warmup: int
    threads: int
    treatment: Treatment
    memory: tuple[str, ...] = ()
    resident: bool = False
    progress: Callable[[str], None] = lambda line: None


@dataclass(frozen=True)
class Case:
    """One of the models that are timed in turns.

    Args:
        subject: What it is.
        model: Model built from it.
        treatment: How it runs.
        shapes: Shapes of its inputs.
        input_gradient: Whether its inputs get gradients in training.
    """

    subject: Ours | Other
    model: nn.Module
    treatment: Treatment
    shapes: Shapes
    input_gradient: bool

    @classmethod
    def of(cls, subject: Ours, settings: Settings) -> Case:
        """A network or module of this package."""
        model = subject.build()
        return cls(
            subject,
            model,
            settings.treatment,
            subject.shapes(model, settings.batch, settings.size),
            input_gradient=not subject.is_network,
        )

    def job(self, mode: str, threads: int) -> Job:
        return Job(self.subject, self.treatment.within(mode), mode, self.shapes, threads, self.input_gradient)


def measure_rows(cases: list[Case], mode: str, settings: Settings) -> list[dict]:
    """Times the cases in turns, then takes the memory of each; a row for each case."""
    jobs = [case.job(mode, settings.threads) for case in cases]
    label = f'{cases[0].subject.name}, {mode}'
    settings.progress(f'{label}: warming up')
    with ExitStack() as processes:
        timers = {i: processes.enter_context(timer_of(job)) for i, job in enumerate(jobs)}
        rounds = alternate(
            timers,
            settings.repeats,
            settings.warmup,
            lambda number, count: settings.progress(f'{label}: round {number} of {count}'),
        )
    rows = []
    for i, (case, job) in enumerate(zip(cases, jobs)):
        memory = resident = None
        if mode in settings.memory:
            settings.progress(f'{label}: memory {i + 1} of {len(cases)}')
            memory = peak_memory(job)
            if settings.resident and job.treatment.on_cpu:
                resident = peak_memory(job, resident=True)
        rows.append(make_row(case, job, rounds[i], memory, resident))
    return rows


def make_row(
    case: Case, job: Job, rounds: list[list[float]], memory: int | None = None, resident: int | None = None
) -> dict:
    """The figures of one case in the form in which they are written to files.

    Args:
        case: What was measured.
        job: The case in one mode.
        rounds: Seconds of each pass, of each round.
        memory: Peak of the memory in use, in bytes.
        resident: Peak of the resident memory, in bytes.
    """
    batch, _, *size = case.shapes[0]
    seconds = [fmean(passes) for passes in rounds]
    ours = isinstance(case.subject, Ours)
    return dict(
        name=case.subject.name,
        code='ours' if ours else 'theirs',
        config=case.subject.text if isinstance(case.subject, Ours) and case.subject.is_config else None,
        mode=job.mode,
        treatment=job.treatment.name,
        parameters=sum(p.numel() for p in case.model.parameters()),
        depth=_depth(case.model),
        batch=batch,
        size=size[0],
        input=[list(shape) for shape in case.shapes],
        images_per_second=spread([batch / s for s in seconds]),
        latency_ms=latency(sum(rounds, [])),
        seconds=seconds,
        peak_memory_bytes=memory,
        resident_peak_bytes=resident,
    )


def time_ratio(slower: dict, faster: dict) -> dict[str, float]:
    """How many times as long one row's passes took as another's, round by round."""
    return spread([a / b for a, b in zip(slower['seconds'], faster['seconds'])])


def memory_ratio(row: dict, of: dict) -> float | None:
    """Peak memory of one row over that of another; None where it was not measured."""
    if not row['peak_memory_bytes'] or not of['peak_memory_bytes']:
        return None
    return row['peak_memory_bytes'] / of['peak_memory_bytes']


def _depth(model: nn.Module) -> int | None:
    """Layers of a network by the usual count: stem, convolutions of the blocks, classifier; None for others."""
    backbone: Any = getattr(model, 'backbone', model)
    if not hasattr(backbone, 'stage_names'):
        return None
    return 2 + sum(len(block.positions) for name in backbone.stage_names for block in getattr(backbone, name))
