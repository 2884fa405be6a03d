"""A comparison as one HTML page that needs nothing else: no script, no network, no further file."""
from __future__ import annotations

from collections.abc import Sequence
from html import escape

import mmattn

from .charts import Chart
from .comparison import Comparison
from .curves import learning_curves, precision_recall_curves
from .run import FINISHED, Run
from .style import STYLE, run_styles
from .tables import Cell, Table, accuracy_tables, all_notes, cost_tables

# With it a browser loads and runs nothing but the style, whatever a run may be called.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
# Cells with more letters than this wrap, so that one sentence does not make a table as wide as itself.
LONG = 32


def make_page(comparison: Comparison) -> str:
    """The page, as text."""
    count = len(comparison.runs)
    title = f'Comparison of {count} run{"s" * (count != 1)}'
    numbers = {run.name: i for i, run in enumerate(comparison.runs)}
    learning, precision = learning_curves(comparison), precision_recall_curves(comparison)
    return '\n'.join([
        '<!DOCTYPE html>', '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<title>{title}</title>', f'<style>{STYLE}{run_styles(count)}</style></head>',
        f'<body><main><h1>{title}</h1>',
        *(_table(table, numbers, comparison.baseline) for table in accuracy_tables(comparison)),
        _charts('Learning curves', 'Loss as logged; in long trainings the mean of each stretch.', learning,
                comparison.runs),
        _charts('Precision and recall', 'Of the last checkpoint on the validation images, averaged over the classes.',
                precision, [] if learning else comparison.runs),
        *(_table(table, numbers, comparison.baseline) for table in cost_tables(comparison)),
        _notes(all_notes(comparison)),
        f'<footer>Made with tools/compare.py of mmattn {mmattn.__version__}</footer></main></body></html>', ''])


def _table(table: Table, numbers: dict[str, int], baseline: Run | None) -> str:
    head = ''.join(f'<th scope="col">{escape(column)}</th>' for column in ('run', *table.columns))
    body = []
    for run, cells in table.rows:
        body.append(f'<tr>{_name(run, numbers[run.name], run is baseline)}{"".join(map(_cell, cells))}</tr>')
    caption = f'<p>{escape(table.caption)}</p>' if table.caption else ''
    return (f'<section><h2>{escape(table.title)}</h2>{caption}<div class="scroll" tabindex="0">'
            f'<table{" class=words" * table.words}><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
            '</div></section>')


def _cell(cell: Cell) -> str:
    text = f'<b>{escape(cell.text)}</b>' if cell.strong else escape(cell.text)
    detail = f'<br><small>{escape(cell.detail)}</small>' if cell.detail else ''
    return f'<td{" class=long" * (len(cell.text) > LONG)}>{text}{detail}</td>'


def _name(run: Run, number: int, is_baseline: bool) -> str:
    marks = [f'<br><span class="badge {run.state.replace(" ", "-")}">{run.state}</span>'] * (run.state != FINISHED)
    marks += ['<br><span class="badge baseline">baseline</span>'] * is_baseline
    return (f'<th scope="row"><div class="name">{_chip(number)}<span>{escape(run.name)}{"".join(marks)}</span></div>'
            '</th>')


def _chip(number: int) -> str:
    return f'<span class="chip run-{number}"></span>'


def _charts(title: str, caption: str, charts: Sequence[Chart], switches: Sequence[Run]) -> str:
    if not charts:
        return ''
    labels = ''.join(f'<label><input type="checkbox" id="show-{i}" checked>{_chip(i)}{escape(run.name)}</label>'
                     for i, run in enumerate(switches))
    figures = ''.join(f'<figure><h3>{escape(chart.title)}</h3>{chart.svg()}</figure>' for chart in charts)
    runs = f'<div class="runs">{labels}</div>' if labels else ''
    columns = 'charts' if len(charts) % 3 == 0 else 'charts two'
    return f'<section><h2>{title}</h2><p>{caption}</p>{runs}<div class="{columns}">{figures}</div></section>'


def _notes(notes: Sequence[str]) -> str:
    items = ''.join(f'<li>{escape(note)}</li>' for note in notes)
    return f'<section><h2>Notes</h2><ul>{items}</ul></section>' if items else ''
