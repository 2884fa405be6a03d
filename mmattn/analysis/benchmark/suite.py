"""A suite: what is measured in one go, and the table of what it has to reach beside what was measured.

A suite file is a YAML list. Each entry has ``name``, which its report is filed under, ``title``, ``command``, the
arguments of tools/benchmark.py, and optionally ``targets``. A target is a number by what it is for:

* ``MODE speed``: times as fast as the other code, at least; ``MODE memory``: fraction of its memory, at most. MODE is
  infer, train or finetune. The other code runs as published; where `` alike`` follows, it is treated like ours.
* ``ablation``: times as fast that each part makes it in one of the modes at least.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from mmattn.errors import UserError, one_line

from .printing import markdown_table, spread_text
from .treatment import MODES

QUANTITIES = tuple(f'{mode} {kind}{like}' for mode in MODES for kind in ('speed', 'memory') for like in ('', ' alike'))
ABLATION = 'ablation'


@dataclass(frozen=True)
class SuiteEntry:
    """One command of a suite.

    Args:
        name: Name of the report's file, without suffix.
        title: What the table calls it.
        command: Arguments of tools/benchmark.py.
        targets: What has to be reached, by quantity.
    """

    name: str
    title: str
    command: str
    targets: Mapping[str, float] = field(default_factory=dict)

    @property
    def argv(self) -> list[str]:
        if not isinstance(self.command, str):
            raise ValueError(f'the command of {self.name} is {self.command!r}')
        return shlex.split(self.command)


def read_suite(path: str | Path) -> list[SuiteEntry]:
    """The entries of a suite file.

    Raises:
        UserError: It cannot be read, or has another form.
    """
    try:
        entries = [SuiteEntry(**entry) for entry in yaml.safe_load(Path(path).read_text(encoding='utf-8'))]
        for entry in entries:
            entry.argv  # noqa: B018  it has to be text with its quotes closed
        wrong = [name for entry in entries for name in entry.targets if name not in (*QUANTITIES, ABLATION)]
    except OSError as error:
        raise UserError(f'--suite {path} cannot be read ({one_line(error)})') from error
    except (yaml.YAMLError, TypeError, AttributeError, ValueError) as error:
        raise UserError(
            f'{path} is no list of entries with name, title, command and targets ({one_line(error)})'
        ) from error
    if wrong:
        raise UserError(f'{path}: there is no target {wrong[0]!r}; there are {", ".join((*QUANTITIES, ABLATION))}')
    return entries


def suite_tables(entries: Sequence[SuiteEntry], reports: Mapping[str, dict]) -> list[str]:
    """Targets and measured values side by side, in Markdown; and what other code could not do.

    Args:
        entries: Entries of a suite.
        reports: Reports of tools/benchmark.py by the entries' names; those that lack are left out.
    """
    entries = [entry for entry in entries if entry.targets and entry.name in reports]
    columns = [quantity for quantity in QUANTITIES if any(quantity in entry.targets for entry in entries)]
    rows = [
        (entry.title, *(_cell(entry, quantity, reports[entry.name]) for quantity in columns))
        for entry in entries
        if set(entry.targets) - {ABLATION}
    ]
    tables = []
    if rows:
        tables.append(markdown_table(('network', *columns), rows))
        tables.append(
            'Speed: times as fast; memory: fraction of theirs; in brackets the target, in bold where it was '
            'missed. Their code runs as published; alike: it is treated like ours.'
        )
    notes = dict.fromkeys(
        f'- {entry.title}, {c["mode"]} alike: {c["refused"]}.'
        for entry in entries
        for c in reports[entry.name].get('comparisons', ())
        if c['refused']
    )
    if notes:
        tables.append('\n'.join(notes))
    parts = [
        row for entry in entries if ABLATION in entry.targets for row in _ablation_rows(entry, reports[entry.name])
    ]
    if parts:
        tables.append(markdown_table(('network', 'part', 'mode', 'times as fast with it', 'memory'), parts))
    return tables


def missed_targets(entries: Sequence[SuiteEntry], reports: Mapping[str, dict]) -> list[str]:
    """The targets that were missed or not measured, in words."""
    missed = []
    for entry in entries:
        report = reports.get(entry.name)
        if report is None:
            missed += [f'{entry.title}: not measured'] if entry.targets else []
            continue
        missed += [
            f'{entry.title}: {quantity}'
            for quantity in entry.targets
            if quantity != ABLATION and not _reaches(entry, quantity, _value(quantity, report))
        ]
        gains = _gains(report) if ABLATION in entry.targets else {}
        missed += [
            f'{entry.title}: {ABLATION} of {part}' for part, gain in gains.items() if gain < entry.targets[ABLATION]
        ]
    return missed


def _value(quantity: str, report: dict) -> float | None:
    """The measured value of a quantity; None where it was not measured."""
    mode, kind, *alike = quantity.split()
    for comparison in report.get('comparisons', ()):
        if comparison['mode'] == mode and comparison['alike' if alike else 'published']:
            return comparison['speedup']['median'] if kind == 'speed' else comparison['memory']
    return None


def _reaches(entry: SuiteEntry, quantity: str, value: float | None) -> bool:
    target = entry.targets[quantity]
    return value is not None and (value >= target if 'speed' in quantity else value <= target)


def _cell(entry: SuiteEntry, quantity: str, report: dict) -> str:
    value = _value(quantity, report)
    text = '' if value is None else f'{value:.2f}'
    if quantity not in entry.targets:
        return text
    if not _reaches(entry, quantity, value):
        text = f'**{text or "not measured"}**'
    return f'{text} [{"≥" if "speed" in quantity else "≤"} {entry.targets[quantity]:g}]'


def _gains(report: dict) -> dict[str, float]:
    """The largest gain of each part over the modes."""
    gains: dict[str, float] = {}
    for row in report.get('ablations', ()):
        gains[row['part']] = max(gains.get(row['part'], 0), row['speedup']['median'])
    return gains


def _ablation_rows(entry: SuiteEntry, report: dict) -> Iterator[tuple[str, ...]]:
    gains = _gains(report)
    for row in report['ablations']:
        text = spread_text(row['speedup'])
        reached = gains[row['part']] >= entry.targets[ABLATION]
        memory = '' if row['memory'] is None else f'{row["memory"]:.2f}'
        yield (
            entry.title,
            row['part'],
            row['mode'],
            f'{text if reached else f"**{text}**"} [≥ {entry.targets[ABLATION]:g}]',
            memory,
        )
