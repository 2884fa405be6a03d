"""A comparison as Markdown, and as CSV with one line for each run."""
from __future__ import annotations

import csv
import io

from .comparison import Comparison
from .run import FINISHED, Run
from .tables import Cell, Table, accuracy_tables, all_notes, cost_tables, present


def make_markdown(comparison: Comparison) -> str:
    """The tables and notes of the page, without the charts."""
    parts = [f'# Comparison of {len(comparison.runs)} run{"s" * (len(comparison.runs) != 1)}']
    parts += [_table(table) for table in (*accuracy_tables(comparison), *cost_tables(comparison))]
    notes = all_notes(comparison)
    if notes:
        parts.append('## Notes\n\n' + '\n'.join(f'- {_plain(note)}' for note in notes))
    return '\n\n'.join(parts) + '\n'


def make_csv(comparison: Comparison) -> str:
    """One line for each run, numbers unrounded; what is not known is empty."""
    metrics = present(comparison)
    lines = [_fields(run, comparison, metrics) for run in comparison.runs]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator='\n')
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _table(table: Table) -> str:
    rows = [('run', *table.columns), ('---', *(['---'] if table.words else ['---:']) * len(table.columns))]
    rows += [(_plain(run.name) + ('' if run.state == FINISHED else f' ({run.state})'),
              *map(_cell, cells)) for run, cells in table.rows]
    caption = f'\n\n{_plain(table.caption)}' if table.caption else ''
    return f'## {_plain(table.title)}{caption}\n\n' + '\n'.join(f'| {" | ".join(row)} |' for row in rows)


def _cell(cell: Cell) -> str:
    text = f'**{_plain(cell.text)}**' if cell.strong else _plain(cell.text)
    return f'{text} {_plain(cell.detail)}' if cell.detail else text


def _plain(text: str) -> str:
    for letter in '\\|*_<`[':
        text = text.replace(letter, f'\\{letter}')
    return ' '.join(text.split())


def _fields(run: Run, comparison: Comparison, metrics: list[str]) -> dict[str, object]:
    size, history, latency = run.complexity, run.history, run.latency
    last = history and history.validations[-1]
    fields = {'run': run.name, 'work_dir': run.work_dir, 'state': run.state, 'reached': run.reached,
              'epoch': last and last.epoch, 'iteration': last and last.iteration}
    fields.update({f'{metric} (%)': run.metrics.get(metric) for metric in metrics})
    if comparison.baseline is not None:
        found = comparison.differences.get(run.name, {})
        for metric in metrics:
            for part in ('value', 'low', 'high'):
                name = f'{metric} difference' + ('' if part == 'value' else f' {part}')
                fields[name] = getattr(found.get(metric), part, None)
    fields.update({
        'parameters': size and size.parameters, 'trainable parameters': size and size.trainable,
        'multiply-adds': size and size.multiply_adds, 'image height': size and size.shape[0],
        'image width': size and size.shape[1], 'latency (s)': latency and latency.median,
        'latency low decile (s)': latency and latency.low, 'latency high decile (s)': latency and latency.high,
        'latency machine': latency and latency.machine, 'training time (s)': history and history.wall_time,
        'peak memory (bytes)': history and history.peak_memory, 'trained on': history and history.device,
        'published': ' / '.join(filter(None, map(_published, comparison.published.get(run.name, ())))) or None})
    return fields


def _published(row: object) -> str:
    figures = row.figures
    size = f'{figures.parameters} M, {figures.flops} G ({figures.source})' if figures else ''
    return '; '.join(filter(None, (row.name, size, row.accuracy)))
