"""Tables of a comparison, their numbers as text, for every format to lay out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mmattn.analysis.complexity.metafile import NOT_FOUND
from mmattn.analysis.complexity.tables import counted_parameters
from mmattn.analysis.evaluation.classifier_figures import ClassifierFigures
from mmattn.analysis.evaluation.detector_figures import DetectorFigures
from mmattn.analysis.evaluation.error_kinds import KINDS
from mmattn.analysis.evaluation.segmentor_figures import SegmentorFigures
from mmattn.analysis.page import NONE, Badge, Cell, Table, TableRow
from mmattn.analysis.runs.history import History, counted_in, duration
from mmattn.analysis.runs.metrics import METRICS, PIXELS
from mmattn.engine.types import type_name

from .comparison import Comparison
from .intervals import LEVEL, Difference
from .latency import Latency
from .runs import FINISHED, UNFINISHED, Run

# Classes that a table has a column for.
MOST_CLASSES = 20
# What there is of each class, by the kind of predictions as `class_values` takes it.
BY_CLASS = {'box': 'box AP', 'mask': 'mask AP', 'pixel': 'IoU', 'class': 'F1'}


def accuracy_tables(comparison: Comparison) -> list[Table]:
    """Tables of the runs, their accuracy, and the differences to the baseline; those with nothing to show are left out.

    Args:
        comparison: Comparison to show.
    """
    tables = _runs(comparison), _accuracy(comparison), _differences(comparison)
    return [table for table in tables if table is not None]


def prediction_tables(comparison: Comparison) -> list[Table]:
    """Tables of what the predictions of the runs say: accuracy by class, kinds of errors, calibration.

    Args:
        comparison: Comparison to show.
    """
    kinds = {kind: f'{name[0].upper()}{name[1:]} by class' for kind, name in BY_CLASS.items()}
    tables = [*(_by_class(comparison, kind, title) for kind, title in kinds.items()), _errors(comparison)]
    return [table for table in tables if table is not None]


def cost_tables(comparison: Comparison) -> list[Table]:
    """Tables of the cost of the runs, and of what papers print; those with nothing to show are left out.

    Args:
        comparison: Comparison to show.
    """
    return [table for table in (_cost(comparison), _published(comparison)) if table is not None]


def all_notes(comparison: Comparison) -> list[str]:
    """What is missing in a comparison and why, a sentence each.

    Args:
        comparison: Comparison to show.
    """
    return [*comparison.notes, *(f'{run.name}: {note}' for run in comparison.runs for note in run.notes)]


def present(comparison: Comparison) -> list[str]:
    """Names of the metrics that at least one run has.

    Args:
        comparison: Comparison to show.
    """
    return [metric for metric in METRICS if any(metric in run.metrics for run in comparison.runs)]


def _runs(comparison: Comparison) -> Table:
    cells = []
    for run in comparison.runs:
        last = run.history.validations[-1] if run.history else None
        reached = NONE if last is None else f'{last.iteration:,}' if last.epoch is None else f'{last.epoch}'
        network = NONE
        if run.cfg is not None:
            model = run.cfg.get('model')
            network = ' · '.join(
                filter(None, map(type_name, (model, model.get('backbone') if isinstance(model, dict) else None)))
            )
        cells.append(
            [
                run.state + (f': {run.reached}' if run.reached else ''),
                reached,
                network or NONE,
                run.config_path.name if run.config_path else NONE,
            ]
        )
    counts = {counted_in(run.history.validations[-1:]) for run in comparison.runs if run.history} or {'epoch'}
    unit = f'last {counts.pop()}' if len(counts) == 1 else 'epoch or iteration'
    return Table(
        'Runs',
        '',
        ('run', 'state', unit, 'network', 'config'),
        tuple(_row(comparison, run, map(Cell, texts)) for run, texts in zip(comparison.runs, cells, strict=True)),
        words=True,
    )


def _row(comparison: Comparison, run: Run, cells: Iterable[Cell]) -> TableRow:
    badges = [] if run.state == FINISHED else [Badge(run.state, 'warning' if run.state == UNFINISHED else 'error')]
    badges += [Badge('baseline')] if run is comparison.baseline else []
    return TableRow(run.name, tuple(cells), comparison.runs.index(run), tuple(badges))


def _accuracy(comparison: Comparison) -> Table | None:
    metrics = present(comparison)
    if not metrics:
        return None
    best = {
        metric: _best(comparison, [run.metrics.get(metric) for run in comparison.runs if run.state == FINISHED])
        for metric in metrics
    }
    rows = [
        _row(
            comparison,
            run,
            (
                _percent(
                    run.metrics.get(metric),
                    run.state == FINISHED and best[metric] is not None and run.metrics.get(metric) == best[metric],
                    _digits(metric),
                )
                for metric in metrics
            ),
        )
        for run in comparison.runs
    ]
    caption = 'Last validation, in percent; bold: the best of the finished runs.'
    if comparison.unlike:
        caption = f'{_not_compared(comparison)} Last validation, in percent.'
    if any(run.metrics and run.state != FINISHED for run in comparison.runs):
        caption += ' The others are shown as far as they came.'
    return Table('Accuracy', caption, ('run', *metrics), tuple(rows))


def _differences(comparison: Comparison) -> Table | None:
    baseline = comparison.baseline
    metrics = [metric for metric in METRICS if any(metric in found for found in comparison.differences.values())]
    if baseline is None or not metrics:
        return None
    rows = [
        _row(
            comparison,
            run,
            (_difference(comparison.differences[run.name].get(metric), _digits(metric)) for metric in metrics),
        )
        for run in comparison.runs
        if run is not baseline
    ]
    if comparison.resamples:
        count = baseline.evaluation.count if baseline.evaluation else 0
        caption = (
            'In points of percent, from the predictions where both runs have them. In brackets the '
            f'{LEVEL} % interval of a paired bootstrap over the {count} validation images '
            f'({comparison.resamples} resamples); bold where it excludes 0. It covers the choice of images, not '
            'the random seed of the training.'
        )
    else:
        caption = (
            'In points of percent, without intervals: those need predictions of both runs on the same images '
            '(--predict).'
        )
    return Table(f'Difference to {baseline.name}', caption, ('run', *metrics), tuple(rows))


def class_values(run: Run, kind: str) -> dict[str, float | None]:
    """AP, IoU or F1 of each class from 0 to 1; empty where there are no such predictions.

    Args:
        run: Run with its figures.
        kind: 'box' or 'mask' for AP, 'pixel' for a segmentor's IoU, 'class' for a classifier's F1.
    """
    if isinstance(run.figures, DetectorFigures):
        return {name: values['AP'] for name, values in run.figures.by_class.get(kind, {}).items()}
    if isinstance(run.figures, SegmentorFigures) and kind == 'pixel':
        return {name: values['IoU'] for name, values in run.figures.by_class.items()}
    if isinstance(run.figures, ClassifierFigures) and kind == 'class':
        return {name: values['F1'] for name, values in run.figures.by_class.items()}
    return {}


def _by_class(comparison: Comparison, kind: str, title: str) -> Table | None:
    """A column for each class; of many classes those in which the runs differ most."""
    found = {run.name: class_values(run, kind) for run in comparison.runs}
    classes = list(dict.fromkeys(name for values in found.values() for name in values))
    if len(classes) < 2:  # of one class it is the accuracy
        return None

    def values_of(name: str) -> list[float]:
        return [value for values in found.values() if (value := values.get(name)) is not None]

    shown, caption = classes, 'In percent, of the predictions of the last checkpoint; bold: the best.'
    if comparison.unlike:
        caption = f'{_not_compared(comparison)} In percent, of the predictions of the last checkpoint.'
    if len(classes) > MOST_CLASSES:
        spread = {name: max(values_of(name), default=0) - min(values_of(name), default=0) for name in classes}
        shown = sorted(classes, key=lambda name: -spread[name])[:MOST_CLASSES]
        caption += f' Of {len(classes)} classes, those {MOST_CLASSES} in which the runs differ most.'
    best = {name: _best(comparison, values_of(name)) for name in shown}
    return Table(
        title,
        caption,
        ('run', *shown),
        tuple(
            _row(
                comparison,
                run,
                (
                    _percent(
                        times(found[run.name].get(name), 100),
                        best[name] is not None and found[run.name].get(name) == best[name],
                        _digits(BY_CLASS[kind]),
                    )
                    for name in shown
                ),
            )
            for run in comparison.runs
            if found[run.name]
        ),
    )


def _errors(comparison: Comparison) -> Table | None:
    runs = [run for run in comparison.runs if run.figures is not None]
    if not runs:
        return None
    detectors = any(isinstance(run.figures, DetectorFigures) for run in runs)
    rows = []
    for run in runs:
        assert run.figures is not None  # of which the runs were chosen
        costs = run.figures.kinds.cost if isinstance(run.figures, DetectorFigures) else {}
        rows.append(
            _row(
                comparison,
                run,
                (
                    *(_percent(100 * costs[kind] if kind in costs else None) for kind in (KINDS if detectors else ())),
                    _percent(100 * run.figures.calibration.error),
                ),
            )
        )
    caption = (
        'Points of AP50 that the boxes would gain without the errors of each kind, as in TIDE '
        '(arXiv:2008.08115), and the'
        if detectors
        else 'The'
    )
    caption += ' expected calibration error of the scores in percent (arXiv:1706.04599).'
    return Table(
        'Errors and calibration', caption, ('run', *(KINDS if detectors else ()), 'calibration error'), tuple(rows)
    )


def _cost(comparison: Comparison) -> Table:
    runs = comparison.runs
    columns: dict[str, list[Cell]] = {
        'parameters, M': [_size(_counted(run, 'parameters', 1e6)) for run in runs],
        'trainable, M': [_size(_counted(run, 'trainable', 1e6)) for run in runs],
        'MACs, G': [_size(_counted(run, 'multiply_adds', 1e9)) for run in runs],
    }
    if any(run.latency for run in runs):
        columns['latency, ms'] = [_latency(run.latency) for run in runs]
    columns['memory, GiB'] = [_size(_history(run, 'peak_memory', 2**-30)) for run in runs]
    columns['training time'] = [_time(run.history) for run in runs]
    columns['trained on'] = [_device(run.history) for run in runs]
    rows = zip(runs, zip(*columns.values(), strict=True), strict=True)
    return Table(
        'Cost', _cost_caption(comparison), ('run', *columns), tuple(_row(comparison, run, cells) for run, cells in rows)
    )


def _counted(run: Run, what: str, unit: float) -> float | None:
    """A number that was counted of a run's network, in a unit; None where it was not."""
    return None if run.complexity is None else getattr(run.complexity, what) / unit


def _size(value: float | None) -> Cell:
    return Cell() if value is None else Cell(f'{value:.2f}' if value >= 1 else f'{value:.3g}')


def _latency(found: Latency | None) -> Cell:
    if found is None:
        return Cell()
    median, low, high = (1e3 * seconds for seconds in (found.median, found.low, found.high))
    return Cell(f'{median:.1f}', detail=f'[{low:.1f}, {high:.1f}]')


def _cost_caption(comparison: Comparison) -> str:
    sentences = []
    shapes = sorted({run.complexity.shape for run in comparison.runs if run.complexity})
    if shapes:
        sizes = ' and '.join(f'{height} × {width}' for height, width in shapes)
        sentences.append(f'MACs (papers call them FLOPs): for one image of {sizes} pixels.')
    latencies = [run.latency for run in comparison.runs if run.latency]
    if latencies:
        machines = '; '.join(sorted({latency.machine for latency in latencies}))
        least, most = (f(latency.forwards for latency in latencies) for f in (min, max))
        number = f'{least}' if least == most else f'{least} to {most}'
        sentences.append(
            f'Latency: median of {number} single validation images, from the loaded image to the result '
            f'(in brackets the first and ninth decile), measured on {machines}; the networks as they '
            'were trained, not prepared for inference.'
        )
    sentences.append(
        'Time and memory: of the training with its validations, as mmattn.ResourceHook recorded them; '
        'memory of the GPU, or of the process on a CPU.'
    )
    return ' '.join(sentences)


def _published(comparison: Comparison) -> Table | None:
    rows = []
    for run in comparison.runs:
        for row in comparison.published.get(run.name, ()):
            size, figures = run.complexity, row.figures
            counted = None if size is None else counted_parameters(size, figures) / 1e6
            measured = ', '.join(
                f'{name} {run.metrics[name]:.1f}'
                for name in ('box AP', 'mask AP', 'mIoU', 'top-1', 'top-5')
                if name in run.metrics
            )
            rows.append(
                _row(
                    comparison,
                    run,
                    (
                        Cell(row.name),
                        _size(counted),
                        Cell(_printed(figures.parameters if figures else None)),
                        _size(_counted(run, 'multiply_adds', 1e9)),
                        Cell(_printed(figures.flops if figures else None)),
                        Cell(measured or NONE),
                        Cell(row.accuracy or NONE),
                        Cell('; '.join(filter(None, (figures.source, figures.note))) if figures else NONE),
                    ),
                )
            )
    if not rows:
        return None
    return Table(
        'Beside the papers',
        "The rows of the papers whose config has the name of the run's. Their networks were "
        'trained on the data set that is named with the accuracy.',
        ('run', 'network', 'parameters, M', 'published', 'MACs, G', 'published', 'accuracy', 'published', 'source'),
        tuple(rows),
        words=True,
    )


def _printed(figure: str | None) -> str:
    return NONE if figure is None or figure == NOT_FOUND else figure


def _time(history: History | None) -> Cell:
    return (
        Cell()
        if history is None or history.wall_time is None
        else Cell(f'{"≥ " if history.at_least else ""}{duration(history.wall_time)}')
    )


def _device(history: History | None) -> Cell:
    device = history.device if history else None
    return Cell() if device is None else Cell('CPU' if device == 'cpu' else device)


def _history(run: Run, name: str, factor: float = 1) -> float | None:
    return times(getattr(run.history, name) if run.history else None, factor)


def times(value: float | None, factor: float) -> float | None:
    """A value times a factor; None where there is no value."""
    return None if value is None else value * factor


def _best(comparison: Comparison, values: Sequence[float | None]) -> float | None:
    """The value to mark; None if there is nothing to choose from."""
    found = [value for value in values if value is not None]
    return max(found) if len(set(found)) > 1 and not comparison.unlike else None


def _not_compared(comparison: Comparison) -> str:
    return f'{comparison.unlike}; none is marked as the best, and no differences are shown.'


def _percent(value: float | None, best: bool = False, digits: int = 1) -> Cell:
    return Cell() if value is None or value != value else Cell(f'{value:.{digits}f}', best)


def _digits(metric: str) -> int:
    """Digits behind the point: two of what IoUMetric prints so."""
    return 2 if metric in PIXELS or metric == BY_CLASS['pixel'] else 1


def _difference(found: Difference | None, digits: int = 1) -> Cell:
    if found is None:
        return Cell()
    low, value, high = (
        None if bound is None else _signed(bound, digits) for bound in (found.low, found.value, found.high)
    )
    interval = '' if low is None or high is None else f'[{low}, {high}]'
    return Cell(value or '', found.clear, interval)


def _signed(value: float, digits: int) -> str:
    text = f'{value:+.{digits}f}'
    return text[1:] if float(text) == 0 else text.replace('-', '−')
