"""Reads ``configs/<paper>/metafile.yml``: OpenMMLab's model index, and what the papers print of each network.

A model has Name, In Collection and Config as there. Beyond that format:

* ``Published`` of a model: a mapping, or a list of them where several papers print different figures for one network.

  * ``Parameters`` (millions) and ``FLOPs`` (the model index's word for MACs, in G): quoted, with exactly the printed
    digits, or ``n/f``, not found.
  * ``Source``: where they are printed.
  * ``Counted``: which parameters they are, ``total``, ``trainable`` or ``used`` in a prediction; by default the
    trainable ones of a detector, those that a segmentor uses, all of a classifier.
  * ``Note``: why what we count differs. Every figure that differs needs one: parameters if not equal in all printed
    digits, MACs if more than 1 % off.

  A model that nobody has published has no ``Published``; it is listed with what we count.
* ``Results``: accuracies that the papers print, not ours. A metric is a number, a text as in '81.47 ± 0.09', or
  ``n/f``.
* ``Not Offered``, beside ``Models``: rows of the papers' tables without a config: Name, Published (with the reason as
  Note), Results.

What we count is in no metafile: it is counted anew for the tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from mmattn.errors import UserError, one_line

NOT_FOUND = 'n/f'
FLOPS_TOLERANCE = 0.01
# of the metrics in Results, those that the tables show, and how they call them
METRICS = {
    'box AP': 'box AP',
    'mask AP': 'mask AP',
    'mIoU': 'mIoU',
    'Top 1 Accuracy': 'top-1',
    'Top 5 Accuracy': 'top-5',
}


@dataclass(frozen=True)
class Figures:
    """What a source prints of a network: parameters in millions and MACs in G, as text, or 'n/f'."""

    parameters: str
    flops: str
    source: str
    note: str = ''
    counted: str | None = None

    def parameters_agree(self, counted: int) -> bool:
        """Whether `counted` parameters, printed as the source does, are its figure."""
        return self.parameters == NOT_FOUND or _rounded(counted / 1e6, self.parameters) == self.parameters

    def flops_agree(self, multiply_adds: int) -> bool:
        return self.flops == NOT_FOUND or abs(relative(multiply_adds / 1e9, self.flops)) <= FLOPS_TOLERANCE


@dataclass(frozen=True)
class Row:
    """One row of a table: a network, and what one source prints of it.

    Attributes:
        name: Name of the model.
        folder: Folder of the metafile.
        config: Path of the config, None for a network that is not offered.
        figures: Published figures, None if there are none.
        accuracy: Published accuracies in words, '' if there are none.
    """

    name: str
    folder: Path
    config: Path | None
    figures: Figures | None
    accuracy: str


def read_metafiles(root: str | Path) -> list[Row]:
    """The rows of all ``configs/*/metafile.yml`` below `root`, in the order of the files.

    Raises:
        UserError: A metafile is damaged, or two models have one name.
    """
    root, rows, names = Path(root), [], set()
    for path in sorted(root.glob('configs/*/metafile.yml')):
        for model in _models(path):
            if model['Name'] in names:
                raise UserError(f'{path}: there are two models named {model["Name"]!r}; names have to differ')
            names.add(model['Name'])
            rows += _rows(model, path, root)
    return rows


def relative(counted: float, published: str) -> float:
    """How much more was counted than is published, as a fraction."""
    return counted / float(published) - 1


def _models(path: Path) -> list[dict]:
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8')) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise UserError(f'{path} is no YAML: {one_line(e)}') from e
    if not isinstance(content, dict):
        raise UserError(f'{path} has to be a mapping with Collections and Models')
    offered, others = content.get('Models') or [], content.get('Not Offered') or []
    for model in [*offered, *others]:
        if not isinstance(model, dict) or not model.get('Name'):
            raise UserError(f'{path}: a model without Name')
    for model in offered:
        if not model.get('Config'):
            raise UserError(f"{path}: {model['Name']} has no Config; put it under 'Not Offered', or name one")
    return [*offered, *({**model, 'Config': None} for model in others)]


def _rows(model: dict, path: Path, root: Path) -> list[Row]:
    where = f'{path}: {model["Name"]}'
    config = model['Config'] and root / model['Config']
    if config and not config.is_file():
        raise UserError(f'{where}: there is no config {model["Config"]}')
    published = model.get('Published')
    sources = published if isinstance(published, list) else [published]
    return [
        Row(
            model['Name'],
            path.parent,
            config or None,
            _figures(figures, where) if figures else None,
            _accuracy(model.get('Results') or [], where),
        )
        for figures in sources
    ]


def _figures(figures: Mapping, where: str) -> Figures:
    if not isinstance(figures, Mapping):
        raise UserError(f'{where}: Published has to be a mapping, or a list of mappings')
    keys = {'Parameters', 'FLOPs', 'Source', 'Note', 'Counted'}
    wrong = sorted({'Parameters', 'FLOPs', 'Source'} - set(figures)) or sorted(set(figures) - keys)
    if wrong:
        raise UserError(f'{where}: Published lacks or does not know {", ".join(map(str, wrong))}')
    for key in ('Parameters', 'FLOPs'):
        if not isinstance(figures[key], str) or figures[key] != NOT_FOUND and not _is_number(figures[key]):
            raise UserError(f'{where}: {key} has to be the printed digits in quotes, or n/f, not {figures[key]!r}')
    if figures.get('Counted', 'total') not in ('total', 'trainable', 'used'):
        raise UserError(f"{where}: Counted is 'total', 'trainable' or 'used', not {figures['Counted']!r}")
    note = ' '.join(str(figures.get('Note') or '').split())
    return Figures(figures['Parameters'], figures['FLOPs'], str(figures['Source']), note, figures.get('Counted'))


def _accuracy(results: list[Mapping], where: str) -> str:
    try:
        metrics = [(result['Dataset'], name, value) for result in results for name, value in result['Metrics'].items()]
    except (TypeError, KeyError, AttributeError) as e:
        raise UserError(f'{where}: each of Results has Task, Dataset and Metrics') from e
    shown: dict[str, list] = {}
    for dataset, name, value in metrics:
        if name in METRICS and value != NOT_FOUND:
            shown.setdefault(dataset, []).append(f'{METRICS[name]} {value}')
    return '; '.join(f'{dataset}: {", ".join(values)}' for dataset, values in shown.items())


def _rounded(value: float, like: str) -> str:
    return f'{value:.{len(like.partition(".")[2])}f}'


def _is_number(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False
