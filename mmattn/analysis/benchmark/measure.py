"""Measures what the command line asks for: rows of figures, and ratios between rows that were timed in turns."""
from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from statistics import fmean

import torch
from torch import nn

from mmattn.analysis.complexity.measure import SLOTS
from mmattn.errors import UserError
from mmattn.models.backbones import AttnResNet

from .agreement import compare_outputs
from .memory import peak_memory
from .process import Job, errors_of
from .subject import Other, Ours, Shapes
from .timing import alternate, latency, spread, timer_of
from .treatment import Treatment, prefers_channels_last

# Depths of --scaling as blocks of each stage, by the number of stages.
SCALING_BLOCKS = {3: ((6,) * 3, (12,) * 3, (18,) * 3), 4: ((3, 4, 6, 3), (5, 6, 12, 5), (3, 4, 23, 3))}


@dataclass(frozen=True)
class Settings:
    """What holds for everything in one run.

    Args:
        modes: 'infer', 'train' or both.
        batch: images a pass.
        size: height and width of the images, or of a module's map; None: as suits what is measured.
        repeats: rounds that count.
        warmup: passes before them.
        threads: of PyTorch.
        treatment: of our models.
        memory: whether to measure memory, for which each figure takes a process of its own.
        progress: called with a line that says what is being done.
    """

    modes: tuple[str, ...]
    batch: int
    size: tuple[int, int] | None
    repeats: int
    warmup: int
    threads: int
    treatment: Treatment
    memory: bool = True
    progress: Callable[[str], None] = lambda line: None


@dataclass(frozen=True)
class Case:
    """A model, one of those that are timed in turns.

    Args:
        subject: what it is.
        model: built from it.
        treatment: how it runs.
        shapes: of its inputs.
        input_gradient: whether its inputs get gradients in training.
    """

    subject: Ours | Other
    model: nn.Module
    treatment: Treatment
    shapes: Shapes
    input_gradient: bool

    def job(self, mode: str, threads: int) -> Job:
        return Job(self.subject, self.treatment.within(mode), mode == 'train', self.shapes, threads,
                   self.input_gradient)


def measure(subject: Ours, settings: Settings) -> dict:
    """One network or module by itself."""
    case = _case(subject, settings)
    return dict(results=[row for mode in settings.modes for row in _rows([case], mode, settings)])


def measure_against(subject: Ours, other: Other, settings: Settings) -> dict:
    """A network or module and another code base's, in turns, after a comparison of their outputs.

    The other runs as it comes, and in a second comparison in the same memory format, folded and compiled as ours is.
    Where it cannot be, the reason takes the place of the second comparison.

    Raises:
        UserError: with the same weights their outputs differ, or something does not run.
    """
    case, theirs = _case(subject, settings), other.build()
    inputs = Treatment().inputs([(2, *shape[1:]) for shape in case.shapes])
    settings.progress(f'{subject.name}: comparing outputs')
    with errors_of(f'{subject.name} or {other.name}'):
        agreement = compare_outputs(case.model, theirs, inputs)
    if agreement.differs:
        raise UserError(f'{subject.name} and {other.name} do not compute the same with the same weights, so no time '
                        f'was taken: {agreement.text}; give what computes the same')
    same = _same_treatment(settings.treatment, case.model.eval(), case.shapes)
    plain = Treatment(device=same.device, amp=same.amp, foreign=True)

    results, comparisons = [], []
    for mode in settings.modes:
        as_it_comes = replace(case, subject=other, model=theirs, treatment=plain)
        cases, refused = [case, as_it_comes], None
        if same.within(mode) != plain:
            treated = replace(as_it_comes, treatment=same.within(mode))
            try:
                with timer_of(treated.job(mode, settings.threads)):
                    cases.append(treated)
            except UserError as error:
                refused = dict(treatment=treated.treatment.name, as_it_comes=False, same_treatment=True,
                               refused=str(error))
        rows = _rows(cases, mode, settings)
        results += rows
        between = dict(mode=mode, ours=subject.name, our_treatment=settings.treatment.within(mode).name,
                       theirs=other.name, outputs=agreement.text)
        comparisons += [
            dict(between, treatment=row['treatment'], as_it_comes=case.treatment == plain,
                 same_treatment=case.treatment == same.within(mode), speedup=_ratio(row, rows[0]),
                 memory=_memory_ratio(rows[0], row))
            for case, row in zip(cases[1:], rows[1:])]
        if refused:
            comparisons.append(between | refused)
    return dict(results=results, comparisons=comparisons)


def measure_overhead(subject: Ours, settings: Settings) -> dict:
    """A network against the same trunk with one of its slots empty, for each slot: what stands there costs that much.

    Raises:
        UserError: `subject` is no network with a backbone of ours, or nothing stands in any slot of it.
    """
    if not subject.is_network:
        raise UserError(f'--overhead needs a network; {subject.text} is a single module')
    cases = {None: _case(subject, settings)}
    _stages('--overhead', subject, cases[None].model)
    for slot in SLOTS:
        case = _case(subject.changed(**{slot: None}), settings)
        if _classes(case.model) != _classes(cases[None].model):
            cases[slot] = case
    if len(cases) == 1:
        raise UserError(f'--overhead: nothing stands in the slots of {subject.text}')
    results, overheads = [], []
    for mode in settings.modes:
        rows = dict(zip(cases, _rows(list(cases.values()), mode, settings)))
        results += rows.values()
        overheads += [
            dict(mode=mode, name=subject.name, slot=slot, time=_ratio(rows[None], rows[slot]),
                 memory=_memory_ratio(rows[None], rows[slot]))
            for slot in cases if slot is not None]
    return dict(results=results, overheads=overheads)


def measure_scaling(subject: Ours, settings: Settings) -> dict:
    """How time and memory grow with the depth of a network, with the size and with the batch, one at a time.

    Raises:
        UserError: `subject` is a network whose backbone is not ours, or has neither 3 nor 4 stages.
    """
    model = subject.build()
    size = subject.shapes(model, settings.batch, settings.size)[0][2:]
    points = []
    if subject.is_network:
        stages = _stages('--scaling', subject, model)
        if stages not in SCALING_BLOCKS:
            raise UserError(f'--scaling needs a network of 3 or 4 stages; {subject.text} has {stages}')
        points += [('depth', subject.changed(stage_blocks=blocks), settings) for blocks in SCALING_BLOCKS[stages]]
    sizes = dict.fromkeys(tuple(max(1, s * k // 2) for s in size) for k in (1, 2, 3))  # each once, in order
    points += [('size', subject, replace(settings, size=one)) for one in sizes]
    batches = sorted({max(1, settings.batch // k) for k in (4, 2, 1)})
    points += [('batch', subject, replace(settings, batch=batch)) for batch in batches]
    return dict(results=[
        dict(row, name=subject.name, axis=axis, value=row[axis]) for axis, one, changed in points
        for row in measure(one, changed)['results']])


def _same_treatment(treatment: Treatment, model: nn.Module, shapes: Shapes) -> Treatment:
    """What treats other code as `model`, ours, is treated and as it then treats itself for inputs of these shapes."""
    # Ours chooses a memory format on a CPU alone, and here model and inputs are on one, whatever the device is.
    chooses = _on_cpu(treatment) and prefers_channels_last(model, Treatment().inputs(shapes))
    return replace(treatment, foreign=True, channels_last=treatment.channels_last or chooses)


def _case(subject: Ours, settings: Settings) -> Case:
    model = subject.build()
    return Case(subject, model, settings.treatment, subject.shapes(model, settings.batch, settings.size),
                input_gradient=not subject.is_network)


def _rows(cases: list[Case], mode: str, settings: Settings) -> list[dict]:
    """Times the cases in turns, then takes the memory of each."""
    jobs = [case.job(mode, settings.threads) for case in cases]
    label = f'{cases[0].subject.name}, {mode}'
    settings.progress(f'{label}: warming up')
    with ExitStack() as processes:
        timers = {i: processes.enter_context(timer_of(job)) for i, job in enumerate(jobs)}
        rounds = alternate(timers, settings.repeats, settings.warmup,
                           lambda number, count: settings.progress(f'{label}: round {number} of {count}'))
    rows = []
    for i, (case, job) in enumerate(zip(cases, jobs)):
        memory = resident = None
        if settings.memory:
            settings.progress(f'{label}: memory {i + 1} of {len(cases)}')
            memory = peak_memory(job)
            if _on_cpu(job.treatment):
                resident = peak_memory(job, resident=True)
        rows.append(_row(case, job, rounds[i], memory, resident))
    return rows


def _row(case: Case, job: Job, rounds: list[list[float]], memory: int | None = None,
         resident: int | None = None) -> dict:
    batch, _, *size = case.shapes[0]
    seconds = [fmean(passes) for passes in rounds]
    ours = isinstance(case.subject, Ours)
    return dict(
        name=case.subject.name, code='ours' if ours else 'theirs',
        config=case.subject.text if ours and case.subject.is_config else None,
        mode='train' if job.training else 'infer', treatment=job.treatment.name,
        parameters=sum(p.numel() for p in case.model.parameters()), depth=_depth(case.model), batch=batch,
        size=size[0], input=[list(shape) for shape in case.shapes],
        images_per_second=spread([batch / s for s in seconds]), latency_ms=latency(sum(rounds, [])), seconds=seconds,
        peak_memory_bytes=memory, resident_peak_bytes=resident)


def _ratio(slower: dict, faster: dict) -> dict[str, float]:
    """How many times as long one row's passes took as another's, round by round."""
    return spread([a / b for a, b in zip(slower['seconds'], faster['seconds'])])


def _memory_ratio(row: dict, of: dict) -> float | None:
    if not row['peak_memory_bytes'] or not of['peak_memory_bytes']:
        return None
    return row['peak_memory_bytes'] / of['peak_memory_bytes']


def _on_cpu(treatment: Treatment) -> bool:
    return torch.device(treatment.device).type == 'cpu'


def _classes(model: nn.Module) -> list[tuple[str, type]]:
    return [(name, type(module)) for name, module in model.named_modules()]


def _stages(option: str, subject: Ours, model: nn.Module) -> int:
    """The number of stages of a network, whose backbone has to be ours: others have no slots or blocks to set."""
    backbone = getattr(model, 'backbone', model)
    if not isinstance(backbone, AttnResNet):
        raise UserError(f'{option} needs a backbone of this package, such as AttnResNet; that of {subject.text} is a '
                        f'{type(backbone).__name__}')
    return len(backbone.stage_names)


def _depth(model: nn.Module) -> int | None:
    """Layers of a network by the usual count: stem, convolutions of the blocks, classifier; None for others."""
    backbone = getattr(model, 'backbone', model)
    if not hasattr(backbone, 'stage_names'):
        return None
    return 2 + sum(len(block.positions) for name in backbone.stage_names for block in getattr(backbone, name))
