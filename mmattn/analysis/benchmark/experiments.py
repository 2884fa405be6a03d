"""What the command line asks for: figures alone, ratios to other code, costs of slots, gains of faster ways, growth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from mmattn.analysis.complexity.measure import SLOTS, class_and_groups
from mmattn.errors import UserError
from mmattn.models.backbones import AttnResNet

from .agreement import compare_outputs
from .child_process import errors_of
from .passes import Pass
from .rows import Case, Settings, measure_rows, memory_ratio, time_ratio
from .subject import Other, Ours
from .treatment import Treatment, runs_channels_last

# Depths of --scaling as blocks of each stage, by the number of stages.
SCALING_BLOCKS = {3: ((6,) * 3, (12,) * 3, (18,) * 3), 4: ((3, 4, 6, 3), (5, 6, 12, 5), (3, 4, 23, 3))}
# What is done to other code one after the other, as far as it runs with it.
ALIKE = ('prepared', 'channels_last', 'fold_norms', 'compile')


def benchmark_alone(subject: Ours, settings: Settings) -> dict:
    """One network or module by itself."""
    case = Case.of(subject, settings)
    return dict(results=[row for mode in settings.modes for row in measure_rows([case], mode, settings)])


def benchmark_against(subject: Ours, other: Other, settings: Settings) -> dict:
    """A network or module and another code base's, in turns, after a comparison of their outputs.

    The other runs as published, and in a second comparison like ours: same memory format, norms folded by public means,
    freed memory kept, compiled. What of it the other cannot do is left out, and the comparison says why.

    Raises:
        UserError: With the same weights their outputs differ, or something does not run.
    """
    ours = Case.of(subject, settings)
    theirs = replace(
        ours,
        subject=other,
        model=other.build(),
        treatment=Treatment(device=settings.treatment.device, amp=settings.treatment.amp, foreign=True),
    )
    settings.progress(f'{subject.name}: comparing outputs')
    with errors_of(f'{subject.name} or {other.name}'):
        agreement = compare_outputs(ours.model, theirs.model, Treatment().inputs(_few(ours)))
    if agreement.differs:
        raise UserError(
            f'{subject.name} and {other.name} do not compute the same with the same weights, so no time '
            f'was taken: {agreement.text}; give what computes the same'
        )
    results, comparisons = [], []
    for mode in settings.modes:
        alike, refused = _treated_alike(theirs, _wanted(ours, mode), mode)
        others = [theirs] if alike == theirs.treatment else [theirs, replace(theirs, treatment=alike)]
        rows = measure_rows([ours, *others], mode, settings)
        results += rows
        comparisons += [
            dict(
                mode=mode,
                ours=subject.name,
                our_treatment=rows[0]['treatment'],
                theirs=other.name,
                treatment=row['treatment'],
                published=case is theirs,
                alike=case.treatment == alike,
                speedup=time_ratio(row, rows[0]),
                memory=memory_ratio(rows[0], row),
                outputs=agreement.text,
                refused=refused if case.treatment == alike else None,
            )
            for case, row in zip(others, rows[1:])
        ]
    return dict(results=results, comparisons=comparisons)


def _few(case: Case) -> list[tuple[int, ...]]:
    return [(min(2, shape[0]), *shape[1:]) for shape in case.shapes]


def _wanted(ours: Case, mode: str) -> Treatment:
    """The treatment of foreign code that is like that of `ours`."""
    treatment = ours.treatment.within(mode)
    channels_last = treatment.channels_last
    if treatment.prepared and treatment.on_cpu:
        channels_last = runs_channels_last(treatment.apply(ours.model, mode), treatment.inputs(ours.shapes))
    return replace(treatment, foreign=True, channels_last=channels_last)


def _treated_alike(theirs: Case, wanted: Treatment, mode: str) -> tuple[Treatment, str | None]:
    """`wanted` as far as `theirs` runs with it, and in words what of it does not."""
    without: dict[str, Any] = dict.fromkeys(ALIKE, False)
    possible = replace(wanted, **without)
    refused = []
    for name in ALIKE:
        if getattr(wanted, name):
            changed: dict[str, Any] = {name: True}
            step = replace(possible, **changed)
            try:
                with errors_of(f'{theirs.subject.name} ({step.name})'):
                    Pass(step.apply(theirs.model, mode), _few(theirs), mode, step)()
                possible = step
            except UserError as error:
                refused.append(str(error))
    return possible, '; '.join(refused) or None


def benchmark_overhead(subject: Ours, settings: Settings) -> dict:
    """A network against the same trunk with one of its slots empty, for each slot: what is in the slot costs that much.

    Raises:
        UserError: `subject` is no network with a backbone of ours, or all of its slots are empty.
    """
    if not subject.is_network:
        raise UserError(f'--overhead needs a network; {subject.text} is a single module')
    cases: dict[str | None, Case] = {None: Case.of(subject, settings)}
    _stages('--overhead', subject, cases[None].model)
    for slot in SLOTS:
        case = Case.of(subject.changed(**{slot: None}), settings)
        if _kinds(case.model) != _kinds(cases[None].model):
            cases[slot] = case
    if len(cases) == 1:
        raise UserError(f'--overhead: the slots of {subject.text} are empty')
    results: list[dict] = []
    overheads = []
    for mode in settings.modes:
        rows = dict(zip(cases, measure_rows(list(cases.values()), mode, settings)))
        results += rows.values()
        overheads += [
            dict(
                mode=mode,
                name=subject.name,
                slot=slot,
                time=time_ratio(rows[None], rows[slot]),
                memory=memory_ratio(rows[None], rows[slot]),
            )
            for slot in cases
            if slot is not None
        ]
    return dict(results=results, overheads=overheads)


def benchmark_ablation(subject: Ours, settings: Settings, parts: Sequence[str] = ()) -> dict:
    """A network or module with everything that makes it faster, against all but one of these things, for each.

    Args:
        subject: What is measured.
        settings: How it is measured; what is not in its treatment cannot be left out.
        parts: Names out of `Treatment.parts()`; none: all of them.

    Raises:
        UserError: There is no such part in any of the modes.
    """
    case = Case.of(subject, settings)
    known = {mode: settings.treatment.within(mode).parts() for mode in settings.modes}
    everything = dict.fromkeys(part for names in known.values() for part in names)
    unknown = [part for part in parts if part not in everything]
    if unknown or not everything:
        raise UserError(
            f'--ablation: there is no {" or ".join(unknown) or "part"} to leave out; there are '
            f'{", ".join(everything) or "none"}; --prepare and --keep-memory add theirs'
        )
    results, ablations = [], []
    for mode in settings.modes:
        left_out = [part for part in (parts or known[mode]) if part in known[mode]]
        cases = [replace(case, treatment=replace(case.treatment, without=(part,))) for part in left_out]
        full, *rows = measure_rows([case, *cases], mode, settings)
        results += [full, *rows]
        ablations += [
            dict(mode=mode, name=subject.name, part=part, speedup=time_ratio(row, full), memory=memory_ratio(full, row))
            for part, row in zip(left_out, rows)
        ]
    return dict(results=results, ablations=ablations)


def benchmark_scaling(subject: Ours, settings: Settings) -> dict:
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
    height, width = size
    sizes = dict.fromkeys((max(1, height * k // 2), max(1, width * k // 2)) for k in (1, 2, 3))  # each once, in order
    points += [('size', subject, replace(settings, size=one)) for one in sizes]
    batches = sorted({max(1, settings.batch // k) for k in (4, 2, 1)})
    points += [('batch', subject, replace(settings, batch=batch)) for batch in batches]
    return dict(
        results=[
            dict(row, name=subject.name, axis=axis, value=row[axis])
            for axis, one, changed in points
            for row in benchmark_alone(one, changed)['results']
        ]
    )


def _kinds(model: nn.Module) -> list[tuple]:
    return [(name, *class_and_groups(module)) for name, module in model.named_modules()]


def _stages(option: str, subject: Ours, model: nn.Module) -> int:
    """The number of stages of a network, whose backbone has to be ours: others have no slots or blocks to set."""
    backbone = getattr(model, 'backbone', model)
    if not isinstance(backbone, AttnResNet):
        raise UserError(
            f'{option} needs a backbone of this package, such as AttnResNet; that of {subject.text} is a '
            f'{type(backbone).__name__}'
        )
    return len(backbone.stage_names)
