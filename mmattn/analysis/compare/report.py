"""Report of a comparison: an HTML page with charts, Markdown, or CSV, as the suffix of the file says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmattn.analysis.charts import new_figure, series_style, style, to_svg
from mmattn.analysis.complexity import Row
from mmattn.analysis.evaluation.detector_figures import DetectorFigures
from mmattn.analysis.evaluation.error_kinds import KINDS
from mmattn.analysis.extras import require
from mmattn.analysis.page import Cell, Page, Picture, Section, Table, render
from mmattn.analysis.runs.history import counted_in
from mmattn.analysis.runs.metrics import MAIN, in_percent
from mmattn.commands import command
from mmattn.engine.preflight import check_output
from mmattn.errors import UserError
from mmattn.files import csv_text, write_text

from .comparison import Comparison
from .runs import Run
from .tables import BY_CLASS, accuracy_tables, all_notes, class_values, cost_tables, prediction_tables, present, times

Curve = tuple[Sequence[float] | np.ndarray, Sequence[float] | np.ndarray]

# Points of the curve of a loss.
MOST_POINTS = 160


def check_outputs(paths: Sequence[Path]) -> None:
    """Checks where reports are to be written, before any work.

    Args:
        paths: Paths of the reports.

    Raises:
        UserError: The suffix of a path names no format, nothing can be written there, or a package is missing.
    """
    for path in paths:
        if path.suffix not in FORMATS:
            raise UserError(
                f"--out '{path}': a comparison is written as {', '.join(FORMATS)}; name a file that ends so"
            )
        check_output(path)
        if FORMATS[path.suffix] is make_page:
            require('matplotlib')


def write(comparison: Comparison, path: Path) -> None:
    """Writes the report of a comparison, a file that appears only when it is complete.

    Args:
        comparison: Comparison to report.
        path: Path of the report, which ends with .html, .md or .csv.
    """
    write_text(FORMATS[path.suffix](comparison), path)


def make_page(comparison: Comparison) -> str:
    """The HTML page of a comparison, which needs no further file.

    Args:
        comparison: Comparison to report.
    """
    learning, precision = _learning_curves(comparison), _precision_recall_curves(comparison)
    charts = [
        Section(
            'Learning curves', ('Loss as logged; in long trainings the mean of each stretch.',), True, tuple(learning)
        ),
        Section(
            'Precision and recall',
            ('Of the last checkpoint on the validation images, averaged over the classes.',),
            not learning,
            tuple(precision),
        ),
    ]
    notes = Section('Notes', items=tuple(all_notes(comparison)))
    return render(
        Page(
            _title(comparison),
            command('compare'),
            (
                *(Section(table.title, table=table) for table in accuracy_tables(comparison)),
                *(section for section in charts if section.pictures),
                *(Section(table.title, table=table) for table in prediction_tables(comparison)),
                *(Section(table.title, table=table) for table in cost_tables(comparison)),
                *([notes] if notes.items else []),
            ),
            series=tuple(run.name for run in comparison.runs),
        )
    )


def make_markdown(comparison: Comparison) -> str:
    """The tables and notes of a comparison as Markdown.

    Args:
        comparison: Comparison to report.
    """
    parts = [f'# {_title(comparison)}']
    parts += [
        _markdown_table(table)
        for table in (*accuracy_tables(comparison), *prediction_tables(comparison), *cost_tables(comparison))
    ]
    notes = all_notes(comparison)
    if notes:
        parts.append('## Notes\n\n' + '\n'.join(f'- {_plain(note)}' for note in notes))
    return '\n\n'.join(parts) + '\n'


def make_csv(comparison: Comparison) -> str:
    """One line of CSV for each run, with unrounded numbers; what is not known is empty.

    Args:
        comparison: Comparison to report.
    """
    metrics = present(comparison)
    lines = [_fields(run, comparison, metrics) for run in comparison.runs]
    return csv_text([list(lines[0]), *(list(line.values()) for line in lines)])


FORMATS = {'.html': make_page, '.md': make_markdown, '.csv': make_csv}


def thinned(x: Sequence[float], y: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """The means of at most `MOST_POINTS` equal stretches of a curve, which also takes the noise out of losses.

    Args:
        x: Positions of the points, (points,).
        y: Values of the points, (points,).
    """
    count = min(len(x), MOST_POINTS)
    across, up = (
        np.array([part.mean() for part in np.array_split(np.asarray(values, float), count)]) for values in (x, y)
    )
    return across, up


def _title(comparison: Comparison) -> str:
    count = len(comparison.runs)
    return f'Comparison of {count} run{"s" * (count != 1)}'


def _learning_curves(comparison: Comparison) -> list[Picture]:
    """Training loss over iterations, and each main metric over the validations."""
    histories = {i: run.history for i, run in enumerate(comparison.runs) if run.history}
    if not histories:
        return []
    losses: dict[int, Curve] = {i: thinned(each.iterations, each.losses) for i, each in histories.items()}
    charts = [_draw(comparison, 'Training loss', 'iteration', 'loss', losses)]
    unit = counted_in([validation for each in histories.values() for validation in each.validations])
    for metric in MAIN:
        curves: dict[int, Curve] = {}
        for i, history in histories.items():
            found = ((getattr(v, unit), in_percent(v.metrics).get(metric)) for v in history.validations)
            points = [(at, value) for at, value in found if value is not None]
            if points:
                curves[i] = [at for at, _ in points], [value for _, value in points]
        if curves:
            charts.append(
                _draw(comparison, f'{metric} on the validation images', unit, f'{metric}, %', curves, markers=True)
            )
    return charts


def _precision_recall_curves(comparison: Comparison) -> list[Picture]:
    """Precision against recall, averaged over classes, for the runs with predictions."""
    charts: dict[str, dict[int, Curve]] = {}
    for i, run in enumerate(comparison.runs):
        for title, curve in (run.evaluation.curves() if run.evaluation else {}).items():
            charts.setdefault(title, {})[i] = curve
    return [_draw(comparison, title, 'recall', 'precision', curves, most=1) for title, curves in charts.items()]


@style()
def _draw(
    comparison: Comparison,
    title: str,
    x_label: str,
    y_label: str,
    curves: Mapping[int, Curve],
    markers: bool = False,
    most: float | None = None,
) -> Picture:
    """A chart with the curves of the runs, by their number; without the points that are not finite."""
    figure = new_figure(4.3, 2.85)
    axes = figure.subplots()
    hints: dict[str, list[str]] = {}
    ends: dict[str, list[float]] = {'x': [], 'y': []}
    for i, curve in curves.items():
        x, y = np.asarray(curve, float)
        finite = np.isfinite(x) & np.isfinite(y)
        x, y = x[finite], y[finite]
        look = series_style(i)
        axes.plot(x, y, marker='o' if markers else '', **look)
        hints[look['gid']] = [f'{comparison.runs[i].name}: {value:.1f} at {at:g}' for at, value in zip(x, y)]
        ends['x'].extend(x)
        ends['y'].extend(y)
    axes.set(
        xlabel=x_label,
        ylabel=y_label,
        xlim=(0, most or max(ends['x'], default=0) * 1.02 or 1),
        ylim=(min([0, *ends['y']]), most or max(ends['y'], default=0) * 1.05 or 1),
    )
    locator: Any = axes.xaxis.get_major_locator()
    locator.set_params(integer=most is None, nbins=6)
    axes.xaxis.set_major_formatter(lambda value, _: f'{value / 1000:g}k' if value >= 10_000 else f'{value:g}')
    axes.grid(axis='y')
    axes.spines['left'].set_visible(False)
    names = ', '.join(comparison.runs[i].name for i in curves)
    prefix = ''.join(letter if letter.isalnum() else '-' for letter in title)
    return Picture(title, svg=to_svg(figure, prefix, f'{title}: {names}', hints if markers else None))


def _markdown_table(table: Table) -> str:
    rows = [table.columns, ('---', *(['---'] if table.words else ['---:']) * (len(table.columns) - 1))]
    for row in table.rows:
        badges = f' ({", ".join(badge.text for badge in row.badges)})' if row.badges else ''
        rows.append((_plain(row.name) + badges, *map(_markdown_cell, row.cells)))
    caption = f'\n\n{_plain(table.caption)}' if table.caption else ''
    return f'## {_plain(table.title)}{caption}\n\n' + '\n'.join(f'| {" | ".join(row)} |' for row in rows)


def _markdown_cell(cell: Cell) -> str:
    text = f'**{_plain(cell.text)}**' if cell.strong else _plain(cell.text)
    return f'{text} {_plain(cell.detail)}' if cell.detail else text


def _plain(text: str) -> str:
    for letter in '\\|*_<`[':
        text = text.replace(letter, f'\\{letter}')
    return ' '.join(text.split())


def _fields(run: Run, comparison: Comparison, metrics: list[str]) -> dict[str, object]:
    size, history, latency = run.complexity, run.history, run.latency
    last = history and history.validations[-1]
    fields = {
        'run': run.name,
        'work_dir': run.work_dir,
        'state': run.state,
        'reached': run.reached,
        'epoch': last and last.epoch,
        'iteration': last and last.iteration,
    }
    fields.update({f'{metric} (%)': run.metrics.get(metric) for metric in metrics})
    if comparison.baseline is not None:
        found = comparison.differences.get(run.name, {})
        for metric in metrics:
            for part in ('value', 'low', 'high'):
                name = f'{metric} difference' + ('' if part == 'value' else f' {part}')
                fields[name] = getattr(found.get(metric), part, None)
    fields.update(_prediction_fields(run, comparison))
    fields.update(
        {
            'parameters': size and size.parameters,
            'trainable parameters': size and size.trainable,
            'multiply-adds': size and size.multiply_adds,
            'image height': size and size.shape[0],
            'image width': size and size.shape[1],
            'latency (s)': latency and latency.median,
            'latency low decile (s)': latency and latency.low,
            'latency high decile (s)': latency and latency.high,
            'latency machine': latency and latency.machine,
            'training time (s)': history and history.wall_time,
            'peak memory (bytes)': history and history.peak_memory,
            'trained on': history and history.device,
            'published': ' / '.join(filter(None, map(_published, comparison.published.get(run.name, ())))) or None,
        }
    )
    return fields


def _prediction_fields(run: Run, comparison: Comparison) -> dict[str, float | None]:
    """AP, IoU or F1 by class, what the kinds of errors cost, and calibration, for the runs with predictions."""
    fields = {}
    for kind, name in BY_CLASS.items():
        classes = dict.fromkeys(one for other in comparison.runs for one in class_values(other, kind))
        own = class_values(run, kind)
        fields.update({f'{name} of {one} (%)': times(own.get(one), 100) for one in classes})
    if any(isinstance(other.figures, DetectorFigures) for other in comparison.runs):
        cost = run.figures.kinds.cost if isinstance(run.figures, DetectorFigures) else {}
        fields.update({f'AP50 lost to {kind} (points)': 100 * cost[kind] if kind in cost else None for kind in KINDS})
    if any(other.figures for other in comparison.runs):
        fields['calibration error (%)'] = 100 * run.figures.calibration.error if run.figures else None
    return fields


def _published(row: Row) -> str:
    figures = row.figures
    size = f'{figures.parameters} M, {figures.flops} G ({figures.source})' if figures else ''
    return '; '.join(filter(None, (row.name, size, row.accuracy)))
