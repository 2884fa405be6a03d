"""Tables of what the papers print beside what we count, one block of Markdown for each paper's README.

And those of the repository's README and docs/networks.md: families of networks, modules, every classifier.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from .measure import Complexity, measure
from .metafile import NOT_FOUND, Figures, Row, relative
from .module_table import module_table
from .overview import all_classifiers, families
from .page_table import PageTable

HEADER = (
    '| network | source | params M, printed | counted | MACs G, printed | counted | difference '
    '| accuracy, printed | note |\n|---|---|---:|---:|---:|---:|---:|---|---|'
)
# The parameters that papers count of networks of a kind, where the metafile says nothing else.
COUNTED = {'classifier': 'total', 'detector': 'trainable', 'segmentor': 'used'}
EXPLANATION = {
    'detector': 'Parameters are the trainable ones, as in the papers: stem and first stage are frozen. MACs (papers '
    'call them FLOPs) are of convolutions, linear layers and matrix products, with 1000 RoIs in the box '
    'head and 100 in the mask head. The papers counted with MMDetection 2, which adds biases, norms, '
    'activations and pooling: some 0.4 % more.',
    'segmentor': 'Parameters and MACs (papers call them FLOPs) are those of the network as it predicts: without the '
    'auxiliary head, which only training has. MACs are of convolutions, linear layers and matrix products; '
    "mmsegmentation's tool adds norms, pooling and interpolation: some 0.3 % more.",
    'classifier': 'MACs (papers call them FLOPs) are of convolutions, linear layers and matrix products. Where norms, '
    'activations and pooling were counted too, the printed figure is about 1 % higher.',
}


def make_tables(rows: list[Row], track: Callable[[list[Path]], Iterable[Path]] = iter) -> list[PageTable]:
    """Measures every config of `rows`, each once.

    Args:
        rows: Rows of the metafiles.
        track: Iterates over the configs, and may show how far that is.

    Raises:
        UserError: A config cannot be measured.
    """
    configs = list(dict.fromkeys(row.config for row in rows if row.config))
    sizes = {config: measure(config, slots=False) for config in track(configs)}
    folders = dict.fromkeys(row.folder for row in rows)
    tables = [_table(folder, [row for row in rows if row.folder == folder], sizes) for folder in folders]
    root = rows[0].folder.parent.parent
    return [
        *tables,
        PageTable(root / 'README.md', families(sizes), 'networks'),
        PageTable(root / 'README.md', module_table(), 'modules'),
        PageTable(root / 'docs' / 'networks.md', all_classifiers(sizes, root)),
    ]


def _table(folder: Path, rows: list[Row], sizes: Mapping[Path, Complexity]) -> PageTable:
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        size = sizes.get(row.config) if row.config else None
        groups.setdefault((size.kind, size.shape) if size else ('', ()), []).append(row)
    blocks = []
    for (kind, shape), members in sorted(groups.items(), key=lambda group: not group[0][0]):
        if kind:
            title = f'**{kind.capitalize()}s at {shape[0]} × {shape[1]}.** {EXPLANATION[kind]}'
        else:
            title = "**Not offered.** Rows of the papers' tables for which there is no config."
        lines = [_line(row, sizes.get(row.config) if row.config else None) for row in members]
        blocks.append('\n'.join([title, '', HEADER, *lines]))
    blocks.append(
        'Bold: parameters that differ in the printed digits, MACs that differ by more than 1 %; the note '
        'says why. Accuracies are those of the papers.'
    )
    unexplained = [row.name for row in rows if row.config and not explained(row, sizes[row.config])]
    return PageTable(folder / 'README.md', '\n\n'.join(blocks), unexplained=tuple(unexplained))


def explained(row: Row, size: Complexity) -> bool:
    """Whether a row agrees with what is published, or has a note."""
    figures = row.figures
    return (
        figures is None
        or bool(figures.note)
        or figures.parameters_agree(counted_parameters(size, figures))
        and figures.flops_agree(size.multiply_adds)
    )


def counted_parameters(size: Complexity, figures: Figures | None) -> int:
    """The parameters that a published figure counts: all, or those that `COUNTED` says."""
    counted = (figures and figures.counted) or COUNTED[size.kind]
    return {'total': size.parameters, 'trainable': size.trainable, 'used': size.used}[counted]


def _line(row: Row, size: Complexity | None) -> str:
    figures = row.figures or Figures('', '', 'none')
    name, parameters, multiply_adds, difference = row.name, '', '', ''
    if size is not None and row.config is not None:
        name = f'[{row.name}]({Path(os.path.relpath(row.config, row.folder)).as_posix()})'
        parameters = _number(counted_parameters(size, figures) / 1e6, figures.parameters, digits=2)
        multiply_adds = _number(size.multiply_adds / 1e9, figures.flops, digits=2)
        if figures.flops not in ('', NOT_FOUND):
            difference = f'{100 * relative(size.multiply_adds / 1e9, figures.flops):+.2f} %'
        if row.figures and not figures.parameters_agree(counted_parameters(size, figures)):
            parameters = f'**{parameters}**'
        if row.figures and not figures.flops_agree(size.multiply_adds):
            difference = f'**{difference}**'
    cells = (
        name,
        figures.source,
        figures.parameters,
        parameters,
        figures.flops,
        multiply_adds,
        difference,
        row.accuracy,
        figures.note,
    )
    return f'| {" | ".join(cell.replace("|", "/") for cell in cells)} |'


def _number(value: float, printed: str, digits: int) -> str:
    if '.' in printed:
        digits = max(digits, len(printed.partition('.')[2]))
    return f'{value:.{digits}f}'
