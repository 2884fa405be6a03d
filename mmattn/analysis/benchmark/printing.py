"""A run's rows and ratios in words, for the terminal and for RESULTS.md."""

from __future__ import annotations

from collections.abc import Sequence

# Of the JSON files; goes up when a reader of older files would misread newer ones.
SCHEMA = 2

MIB = 2**20


def as_text(report: dict) -> str:
    """The report of a run for a terminal."""
    lines = [f'{machine_line(report)}; {report["threads"]} threads; device {report["device"]}']
    rows = report['results']
    width = max((len(label(row)) for row in rows), default=0) + 2
    lines.append(
        f'{"":{width}}{"mode":>6}{"batch":>7}{"size":>11}{"images/s (quartiles)":>30}'
        f'{"p50 ms":>10}{"p90 ms":>10}{"peak MiB":>10}{"resident MiB":>14}'
    )
    lines += [_line(row, width) for row in rows]
    lines += [comparison_text(c) for c in report.get('comparisons', ())]
    lines += [overhead_text(o) for o in report.get('overheads', ())]
    lines += [ablation_text(a) for a in report.get('ablations', ())]
    return '\n'.join(lines)


def _line(row: dict, width: int) -> str:
    peak, resident = memory_texts(row)
    return (
        f'{label(row):{width}}{row["mode"]:>6}{row["batch"]:>7}{size_text(row):>11}'
        f'{spread_text(row["images_per_second"]):>30}{row["latency_ms"]["p50"]:>10.2f}'
        f'{row["latency_ms"]["p90"]:>10.2f}{peak:>10}{resident:>14}'
    )


def machine_line(report: dict) -> str:
    """The machine and the versions in one line."""
    machine, versions = report['machine'], report['versions']
    gpu = f', {machine["gpu"]}' if machine['gpu'] else ''
    libraries = ', '.join(f'{name} {version}' for name, version in versions.items())
    return (
        f'{machine["cpu"]}, {machine["cores"]} cores, {machine["memory_gib"]} GiB{gpu}, {machine["system"]}; '
        f'{libraries}'
    )


def label(row: dict) -> str:
    return row['name'] + _treated(row['treatment'])


def _treated(treatment: str) -> str:
    return '' if treatment == 'default' else f' ({treatment})'


def spread_text(spread: dict) -> str:
    """Median and quartiles, in four digits at most."""
    digits = 0 if spread['median'] >= 1000 else 1 if spread['median'] >= 100 else 2
    return f'{spread["median"]:.{digits}f} ({spread["low"]:.{digits}f} to {spread["high"]:.{digits}f})'


def memory_texts(row: dict) -> tuple[str, str]:
    """Peaks in MiB, of memory in use and of resident memory; '' where not measured."""
    peaks = row['peak_memory_bytes'], row['resident_peak_bytes']
    used, resident = ('' if peak is None else f'{peak / MIB:.1f}' for peak in peaks)
    return used, resident


def value_text(row: dict) -> str:
    """The place of a row of --scaling on its axis."""
    return size_text(row) if row['axis'] == 'size' else str(row['value'])


def size_text(row: dict) -> str:
    """Height and width of the input, once if they are the same."""
    height, width = row['input'][0][-2:]
    return f'{height}' if height == width else f'{height}x{width}'


def comparison_text(comparison: dict) -> str:
    """One ratio in one line."""
    ours = comparison['ours'] + _treated(comparison['our_treatment'])
    theirs = comparison['theirs'] + _treated(comparison['treatment'])
    head = f'{ours} against {theirs}, {comparison["mode"]}'
    refused = f'; {comparison["refused"]}' if comparison['refused'] else ''
    return (
        f'{head}: {spread_text(comparison["speedup"])} times as fast{_memory_text(comparison)}; '
        f'{comparison["outputs"]}{refused}'
    )


def overhead_text(overhead: dict) -> str:
    """What a slot costs, in one line."""
    return (
        f'{overhead["name"]}, {overhead["mode"]}: {spread_text(overhead["time"])} times as long as without '
        f'{overhead["slot"]}{_memory_text(overhead)}'
    )


def ablation_text(ablation: dict) -> str:
    """What a part gains, in one line."""
    return (
        f'{ablation["name"]}, {ablation["mode"]}: {spread_text(ablation["speedup"])} times as fast as without '
        f'{ablation["part"]}{_memory_text(ablation)}'
    )


def _memory_text(ratio: dict) -> str:
    return '' if ratio['memory'] is None else f', {ratio["memory"]:.2f} times the memory'


def markdown_table(header: Sequence, rows: Sequence[Sequence]) -> str:
    """A table in Markdown; bars in cells become slashes."""
    lines = [header, ['---'] * len(header), *rows]
    cells = ([str(cell).replace('|', '/') for cell in line] for line in lines)
    return '\n'.join(f'| {" | ".join(line)} |' for line in cells)
