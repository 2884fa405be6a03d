"""Tables of all networks that have a config: every classifier with its true counts, and a row for each family."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from .measure import Complexity

# Family -> folder in configs/ of its paper, and how the names of its networks begin; the first that fits is meant.
FAMILIES = {
    'SDA-xNet': ('sda', r'sda-|.*-sda$'),
    'EPSANet': ('epsanet', r'epsanet'),
    'MSPANet': ('mspanet', r'(preact-)?mspane'),
    'SPEM': ('spem', r'spem-'),
    'EMA': ('ema', r'ema(-|$)'),
    'to compare with': (None, r''),
}
SEGMENTORS = {'deeplabv3plus': 'DeepLabV3+', 'pspnet': 'PSPNet', 'upernet': 'UPerNet'}
DETECTORS = {'faster-rcnn': 'Faster R-CNN', 'mask-rcnn': 'Mask R-CNN', 'retinanet': 'RetinaNet', 'yolox-s': 'YOLOX-s'}


def all_classifiers(sizes: Mapping[Path, Complexity], root: Path) -> str:
    """A row for each classifier, large images first: config, input, parameters and MACs."""
    lines = ['| config | input | parameters | MACs |', '|---|---|---:|---:|']
    classifiers = [(config, size) for config, size in sizes.items() if size.kind == 'classifier']
    for config, size in sorted(classifiers, key=lambda item: -item[1].shape[0]):
        path = Path(os.path.relpath(config, root)).as_posix()
        lines.append(f'| `{path}` | {_shape(size)} | {size.parameters:,} | {size.multiply_adds / 1e9:.4f} G |')
    return '\n'.join(lines)


def families(sizes: Mapping[Path, Complexity]) -> str:
    """A row for each family and size of image: names, ranges of parameters and MACs, and what is built on them."""
    lines = [
        '| family | networks | input | parameters M | MACs G | detectors | segmentors |',
        '|---|---|---:|---:|---:|---|---|',
    ]
    groups: dict[tuple[str, str], dict[str, Complexity]] = {}
    built_on: dict[str, set[str]] = {}  # names of detectors and segmentors, as those of the configs begin
    for config, size in sizes.items():
        if size.kind == 'classifier':
            network = config.stem.partition('_')[0]
            groups.setdefault((family_of(network), _shape(size)), {})[network] = size
        else:
            method, network = config.stem.split('_')[:2]
            built_on.setdefault(family_of(network), set()).add(method)
    order = list(FAMILIES)
    for family, shape in sorted(groups, key=lambda key: (order.index(key[0]), -int(key[1].split()[0]))):
        members = groups[family, shape]
        folder = FAMILIES[family][0]
        known = built_on.get(family, set()) if shape.startswith('224') else set()
        cells = (
            f'[{family}](configs/{folder}/README.md)' if folder else family,
            ', '.join(members),
            shape,
            _range([size.parameters / 1e6 for size in members.values()]),
            _range([size.multiply_adds / 1e9 for size in members.values()]),
            *(
                ', '.join(title for name, title in titles.items() if name in known)
                for titles in (DETECTORS, SEGMENTORS)
            ),
        )
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)


def family_of(network: str) -> str:
    """The family of a network by the name that its configs have, as 'SDA-xNet' of 'sda-resnet86'."""
    return next(family for family, (_, beginning) in FAMILIES.items() if re.match(beginning, network))


def _shape(size: Complexity) -> str:
    return f'{size.shape[0]} × {size.shape[1]}'


def _range(values: list[float]) -> str:
    """The least and the greatest of some numbers, or both in one."""
    least, most = f'{min(values):.2f}', f'{max(values):.2f}'
    return least if least == most else f'{least} to {most}'
