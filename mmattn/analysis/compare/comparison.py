"""Comparison of runs: what their work folders and, on request, their checkpoints say, and how the runs differ."""

from __future__ import annotations

import ast
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmattn.analysis.complexity import Row, measure, read_metafiles
from mmattn.analysis.evaluation.checkpoint_predictions import cache_path, load_predictions, predict
from mmattn.analysis.evaluation.figures import figures_by_kind
from mmattn.errors import CheckpointError, kind_and_text
from mmattn.weights.loading import read_checkpoint

from .intervals import Difference, differences_to
from .latency import measure_latency
from .metrics import Evaluation, evaluate
from .runs import Run
from .same_data import unlike_data

# Logs round AP to 0.1 points.
ROUNDING = 0.051


@dataclass
class Comparison:
    """Runs side by side.

    Args:
        runs: The runs, in the order in which they were named.
        baseline: Run that all others are compared with, or None.
        differences: Differences to the baseline, by name of the run and metric.
        published: What papers print of the networks, by name of the run.
        resamples: Number of draws of the images for each interval; 0 if there are no intervals.
        notes: What is missing and why, where it concerns no single run.
        unlike: Why the metrics of the runs cannot be compared, as of `mmattn.analysis.compare.same_data.unlike_data`;
            no value is the best then, and there are no differences.
    """

    runs: list[Run]
    baseline: Run | None = None
    differences: dict[str, dict[str, Difference]] = field(default_factory=dict)
    published: dict[str, list[Row]] = field(default_factory=dict)
    resamples: int = 0
    notes: list[str] = field(default_factory=list)
    unlike: str = ''


def compare(
    runs: Sequence[Run],
    baseline: Run | None = None,
    root: Path | None = None,
    device: str = 'cpu',
    predict_anew: bool = False,
    latency: float = 0,
    resamples: int = 1000,
) -> Comparison:
    """Compares runs.

    What cannot be found out about a run is left out, with a note in the run that says why.

    Args:
        runs: Runs, as of `mmattn.analysis.compare.runs.read_runs`.
        baseline: One of the runs, which the others are compared with; None: no differences.
        root: Root of the repository, for the figures that papers print; None: without those.
        device: Device to predict and to measure on: 'cpu', 'cuda', 'cuda:1', …
        predict_anew: Whether to predict where no predictions were kept.
        latency: Seconds to measure each network for; 0: no latency.
        resamples: Number of draws of the images for the intervals; 0: no intervals.
    """
    comparison = Comparison(list(runs), baseline)
    for run in runs:
        say(f'{run.name}: {run.state}' + (f' ({run.reached})' if run.reached else ''))
        count_complexity(run)
        evaluate_predictions(run, device if predict_anew else None)
        if latency:
            time_network(run, device, latency)
    comparison.unlike = unlike_data(sorted(runs, key=lambda run: run is not baseline))
    if comparison.unlike:
        say(comparison.unlike)
    elif baseline is not None:
        find_differences(comparison, resamples)
    if root is not None:
        add_published(comparison, root)
    return comparison


def count_complexity(run: Run) -> None:
    """Counts parameters and MACs of a run's network, into `run.complexity`."""
    if run.cfg is None or run.config_path is None:
        return
    try:
        run.complexity = measure(run.config_path, slots=False)
    except Exception as error:  # noqa: BLE001  what is wrong with one run must not cost the report of the others
        run.notes.append(f'parameters and MACs could not be counted: {kind_and_text(error)}')


def evaluate_predictions(run: Run, device: str | None) -> None:
    """Evaluates the predictions of a run, into `run.evaluation`.

    Args:
        run: Run whose predictions are evaluated, those that were kept if there are any.
        device: Device to predict on where none were kept; None: not to predict.
    """
    if run.cfg is None or run.history is None:
        return
    try:
        _evaluate(run, device)
    except Exception as error:  # noqa: BLE001  as above
        _note(run, 'no predictions', error)
        return
    if run.evaluation is not None and (main := _main(run)) is not None and _differs(run):
        again = run.evaluation.metrics()
        run.notes.append(
            f'its predictions give {main} {again[main]:.1f} where the log of its last validation has '
            f'{run.metrics[main]:.1f}: {_reason(run)}'
        )


def _evaluate(run: Run, device: str | None) -> None:
    found = load_predictions(cache_path(run.cfg, run.checkpoint))
    if found is not None:
        say(f'{run.name}: evaluating the predictions')
        run.evaluation = evaluate(found)
    elif not device:
        # Those of the best checkpoint, which a report keeps, would not be of the validation that the metrics are of.
        run.notes.append('no predictions of its last checkpoint are kept: --predict makes them')
        say(f'{run.name}: {run.notes[-1]}')
    # A model that is prepared for inference rounds otherwise: where that shows, the model itself predicts.
    for prepared in (True, False) if found is None and device else ():
        assert device is not None
        say(f'{run.name}: predicting on the validation images')
        found = predict(run.cfg, run.checkpoint, device, prepared)
        run.evaluation = evaluate(found)
        if device != 'cpu' or not _differs(run):
            break
    if found is not None:
        run.figures = figures_by_kind(found)


def _evaluated(run: Run) -> Evaluation:
    """The evaluation of a run that has one."""
    assert run.evaluation is not None
    return run.evaluation


def _main(run: Run) -> str | None:
    """The first metric that both the log and the predictions of a run have."""
    again = _evaluated(run).metrics()
    return next((name for name in run.metrics if not math.isnan(again.get(name, math.nan))), None)


def _differs(run: Run) -> bool:
    main = _main(run)
    return main is not None and abs(_evaluated(run).metrics()[main] - run.metrics[main]) > ROUNDING


def _reason(run: Run) -> str:
    """What the difference between predictions and log may come from, for the end of a sentence."""
    assert run.history is not None
    last, meta = run.history.validations[-1], read_checkpoint(run.checkpoint).get('meta') or {}
    for unit, validated, saved in (
        ('epoch', last.epoch, meta.get('epoch')),
        ('iteration', last.iteration, meta.get('iter')),
    ):
        if isinstance(validated, int) and isinstance(saved, int):
            if validated == saved:
                break
            return f'the checkpoint is of {unit} {saved}, that validation was in {unit} {validated}'
    return 'the checkpoint, the data or the machine is not the same'


def time_network(run: Run, device: str, seconds: float) -> None:
    """Measures the latency of a run's network on this machine, into `run.latency`.

    Args:
        run: Run whose network is measured.
        device: Device to measure on.
        seconds: How long to measure, in seconds.
    """
    if run.cfg is None:
        return
    try:
        say(f'{run.name}: measuring the latency')
        run.latency = measure_latency(run.cfg, run.checkpoint, device, seconds)
    except Exception as error:  # noqa: BLE001  as above
        _note(run, 'latency could not be measured', error)


def _note(run: Run, what: str, error: Exception) -> None:
    run.notes.append(f'{what}: {kind_and_text(error)}')
    say(f'{run.name}: {run.notes[-1]}')
    if isinstance(error.__cause__, CheckpointError):
        run.refused = str(error)


def find_differences(comparison: Comparison, resamples: int) -> None:
    """Differences to the baseline, with intervals where both runs have predictions on the same images.

    Args:
        comparison: Comparison with a baseline; gets the differences.
        resamples: Number of draws of the images for each interval; 0: no intervals.
    """
    baseline = comparison.baseline
    assert baseline is not None
    others = [run for run in comparison.runs if run is not baseline]
    pairs = [run for run in others if baseline.evaluation and _paired(run, baseline)] if resamples else []
    paired = {}
    if pairs:
        comparison.resamples = resamples
        paired = differences_to(_evaluated(baseline), {run.name: _evaluated(run) for run in pairs}, resamples)
    for run in others:
        found = paired.get(run.name, {})
        comparison.differences[run.name] = {
            metric: found.get(metric) or Difference(run.metrics[metric] - baseline.metrics[metric])
            for metric in run.metrics
            if metric in baseline.metrics
        }


def _paired(run: Run, baseline: Run) -> bool:
    if run.evaluation is None:
        return False
    if run.evaluation.images != _evaluated(baseline).images:
        run.notes.append(f'no interval: its validation images are not those of {baseline.name}')
        return False
    return True


def add_published(comparison: Comparison, root: Path) -> None:
    """Finds what papers print of the runs' networks.

    Args:
        comparison: Comparison that gets the rows.
        root: Root of the repository, whose metafiles are read.
    """
    try:
        rows = read_metafiles(root)
        for run in comparison.runs:
            found = find_published(run.config_path, rows, root) if run.config_path else []
            if found:
                comparison.published[run.name] = found
    except Exception as error:  # noqa: BLE001  as above
        comparison.notes.append(f'published figures are left out: {kind_and_text(error)}')


def find_published(config: Path, rows: Sequence[Row], root: Path) -> list[Row]:
    """The rows of metafiles with figures or accuracies for a config of the same name.

    Args:
        config: Path of the config that the training left in its work folder.
        rows: Rows of the metafiles.
        root: Root of the repository, where ``configs/<name>.py`` may be an alias config, which only names another.
    """
    targets = {config.stem}
    alias = root / 'configs' / config.name
    if alias.is_file() and (base := _only_base(alias)) is not None:
        targets.add(base)
    return [row for row in rows if row.config and row.config.stem in targets and (row.figures or row.accuracy)]


def _only_base(path: Path) -> str | None:
    """The stem of the file that a config consists of, if it is one assignment to ``_base_`` and no more."""
    statements = [
        node
        for node in ast.parse(path.read_text('utf-8')).body
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]
    statement = statements[0] if len(statements) == 1 else None
    if not isinstance(statement, ast.Assign):
        return None
    is_base = isinstance(statement.targets[0], ast.Name) and statement.targets[0].id == '_base_'
    value = statement.value
    return Path(str(value.value)).stem if is_base and isinstance(value, ast.Constant) else None


def say(text: str) -> None:
    """Prints a line about the progress to stderr."""
    print(text, file=sys.stderr, flush=True)
