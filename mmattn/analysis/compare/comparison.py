"""The runs of a comparison, with all that can be found out about them and between them."""
from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmattn.analysis.complexity import Row, measure, read_metafiles
from mmattn.errors import UserError, kind_and_text

from .bootstrap import Difference, difference, resample
from .evaluation import evaluate
from .latency import measure_latency
from .predictions import cache_path, load_predictions, predict
from .published import find_published
from .run import Run

# Logs round AP to 0.1 points.
ROUNDING = 0.051


@dataclass
class Comparison:
    """Runs side by side.

    Args:
        runs: in the order in which they were named.
        baseline: that all others are compared with, or None.
        differences: to the baseline, by run and metric.
        published: what papers print of the networks, by run.
        resamples: of the images for each interval; 0 if there are no intervals.
        notes: what concerns no single run.
    """

    runs: list[Run]
    baseline: Run | None = None
    differences: dict[str, dict[str, Difference]] = field(default_factory=dict)
    published: dict[str, list[Row]] = field(default_factory=dict)
    resamples: int = 0
    notes: list[str] = field(default_factory=list)


def count_complexity(run: Run) -> None:
    """Parameters and multiply-adds of the run's network."""
    if run.cfg is None:
        return
    try:
        run.complexity = measure(run.config_path, slots=False)
    except UserError as error:
        run.notes.append(f'parameters and FLOPs could not be counted: {kind_and_text(error)}')


def evaluate_predictions(run: Run, device: str | None) -> None:
    """Evaluates the run's predictions: those that were kept, or new ones if there is a device to predict on."""
    if run.cfg is None or run.history is None:
        return
    try:
        found = load_predictions(cache_path(run.cfg, run.checkpoint))
        if found is None and device:
            say(f'{run.name}: predicting on the validation images')
            found = predict(run.cfg, run.checkpoint, device)
        if found is None:
            return
        say(f'{run.name}: evaluating the predictions')
        run.evaluation = evaluate(found)
    except Exception as error:  # noqa: BLE001  what is wrong with one run must not cost the report of the others
        run.notes.append(f'no predictions: {kind_and_text(error)}')
        say(f'{run.name}: {run.notes[-1]}')
        return
    again = run.evaluation.metrics()
    main = next((name for name in run.metrics if name in again), None)
    if main and abs(again[main] - run.metrics[main]) > ROUNDING:
        run.notes.append(f'its predictions give {main} {again[main]:.1f} where the log of its last validation has '
                         f'{run.metrics[main]:.1f}: the checkpoint, the data or the machine is not the same')


def time_network(run: Run, device: str, seconds: float) -> None:
    """Latency of the run's network on this machine."""
    if run.cfg is None:
        return
    try:
        say(f'{run.name}: measuring the latency')
        run.latency = measure_latency(run.cfg, run.checkpoint, device, seconds)
    except Exception as error:  # noqa: BLE001  as above
        run.notes.append(f'latency could not be measured: {kind_and_text(error)}')
        say(f'{run.name}: {run.notes[-1]}')


def find_differences(comparison: Comparison, resamples: int) -> None:
    """Differences to the baseline, with intervals where both runs have predictions on the same images."""
    baseline = comparison.baseline
    others = [run for run in comparison.runs if run is not baseline]
    pairs = [run for run in others if baseline.evaluation and _paired(run, baseline)] if resamples else []
    drawn, whole = {}, {}
    if pairs:
        comparison.resamples = resamples
        say(f'drawing the {baseline.evaluation.count} images anew {resamples} times')
        drawn = resample({run.name: run.evaluation for run in [baseline, *pairs]}, resamples)
        whole = {run.name: run.evaluation.metrics() for run in [baseline, *pairs]}
    for run in others:
        found = {}
        for metric in (name for name in run.metrics if name in baseline.metrics):
            if all(metric in drawn.get(name, ()) for name in (run.name, baseline.name)):
                found[metric] = difference(whole[run.name][metric] - whole[baseline.name][metric],
                                           drawn[run.name][metric], drawn[baseline.name][metric])
            else:
                found[metric] = Difference(run.metrics[metric] - baseline.metrics[metric])
        comparison.differences[run.name] = found


def _paired(run: Run, baseline: Run) -> bool:
    if run.evaluation is None:
        return False
    if run.evaluation.images != baseline.evaluation.images:
        run.notes.append(f'no interval: its validation images are not those of {baseline.name}')
        return False
    return True


def add_published(comparison: Comparison, root: Path) -> None:
    """What the papers print of the runs' networks, from the metafiles below `root`."""
    try:
        rows = read_metafiles(root)
    except UserError as error:
        comparison.notes.append(f'published figures are left out: {kind_and_text(error)}')
        return
    for run in comparison.runs:
        found = find_published(run.config_path, rows, root) if run.config_path else []
        if found:
            comparison.published[run.name] = found


def compare(runs: Sequence[Run], baseline: Run | None = None, root: Path | None = None, device: str = 'cpu',
            predict_anew: bool = False, latency: float = 0, resamples: int = 1000) -> Comparison:
    """Finds out about runs what their work folders, and if asked for their checkpoints, tell.

    Args:
        runs: of :func:`mmattn.analysis.compare.run.read_runs`.
        baseline: one of them, that the others are compared with.
        root: of the repository, for the papers' figures.
        device: where to predict and to measure.
        predict_anew: predict where no predictions were kept.
        latency: seconds to measure each network for; 0: not at all.
        resamples: of the images, for intervals; 0: none.
    """
    comparison = Comparison(list(runs), baseline)
    for run in runs:
        say(f'{run.name}: {run.state}' + (f' ({run.reached})' if run.reached else ''))
        count_complexity(run)
        evaluate_predictions(run, device if predict_anew else None)
        if latency:
            time_network(run, device, latency)
    if baseline is not None:
        find_differences(comparison, resamples)
    if root is not None:
        add_published(comparison, root)
    return comparison


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
