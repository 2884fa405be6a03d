"""What a run prints: its rows and ratios in words."""
from __future__ import annotations

# Of the JSON files; goes up when a reader of older files would misread newer ones.
SCHEMA = 1

MIB = 2**20


def as_text(report: dict) -> str:
    """The report of a run, for people."""
    lines = [f"{machine_line(report)}; {report['threads']} threads; device {report['device']}"]
    rows = report['results']
    width = max((len(label(row)) for row in rows), default=0) + 2
    lines.append(f'{"":{width}}{"mode":>6}{"batch":>7}{"size":>6}{"images/s (quartiles)":>30}'
                 f'{"p50 ms":>10}{"p90 ms":>10}{"peak MiB":>10}')
    lines += [
        f'{label(row):{width}}{row["mode"]:>6}{row["batch"]:>7}{row["size"]:>6}{spread_text(row["images_per_second"]):>30}'
        f'{row["latency_ms"]["p50"]:>10.2f}{row["latency_ms"]["p90"]:>10.2f}{memory_text(row):>10}' for row in rows]
    lines += [comparison_text(c) for c in report.get('comparisons', ())]
    lines += [overhead_text(o) for o in report.get('overheads', ())]
    return '\n'.join(lines)


def machine_line(report: dict) -> str:
    """The machine and the versions in one line."""
    machine, versions = report['machine'], report['versions']
    gpu = f", {machine['gpu']}" if machine['gpu'] else ''
    libraries = ', '.join(f'{name} {version}' for name, version in versions.items())
    return (f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB{gpu}, {machine['system']}; "
            f'{libraries}')


def label(row: dict) -> str:
    return row['name'] + _treated(row['treatment'])


def _treated(treatment: str) -> str:
    return '' if treatment == 'as it comes' else f' ({treatment})'


def spread_text(spread: dict) -> str:
    """Median and quartiles, in four digits at most."""
    digits = 0 if spread['median'] >= 1000 else 1 if spread['median'] >= 100 else 2
    return f"{spread['median']:.{digits}f} ({spread['low']:.{digits}f} to {spread['high']:.{digits}f})"


def memory_text(row: dict) -> str:
    memory = row['peak_memory_bytes']
    return '' if memory is None else f'{memory / MIB:.1f}'


def comparison_text(comparison: dict) -> str:
    """One ratio in one line."""
    ours = comparison['ours'] + _treated(comparison['our_treatment'])
    theirs = comparison['theirs'] + _treated(comparison['treatment'])
    head = f"{ours} against {theirs}, {comparison['mode']}"
    if 'refused' in comparison:
        return f"{head}: {comparison['refused']}"
    memory = '' if comparison['memory'] is None else f", {comparison['memory']:.2f} times the memory"
    return f"{head}: {spread_text(comparison['speedup'])} times as fast{memory}; {comparison['outputs']}"


def overhead_text(overhead: dict) -> str:
    memory = '' if overhead['memory'] is None else f", {overhead['memory']:.2f} times the memory"
    return (f"{overhead['name']}, {overhead['mode']}: {spread_text(overhead['time'])} times as long as without "
            f"{overhead['slot']}{memory}")
