"""A table of all modules for the slots of the trunk: paper, parameters of a ResNet-50 with it, identity start."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator

import torch
from mmengine.registry import Registry

from mmattn.registry import MODELS

# Slot of the trunk -> package of `mmattn.models` whose registered modules go into it.
SLOTS = {'attn': 'attention', 'spatial': 'spatial', 'depth_attn': 'depth'}
# What a module needs to be in a ResNet-50 as it is published there.
OPTIONS: dict[str, dict] = {'AfterStage': dict(attn='mmattn.SE'), 'GroupedConv': dict(groups=8)}
# Modules that read a feature map at several scales, and which these are.
SCALES = {
    'EMA': '1×1 and 3×3 branch',
    'MSPA': 'chain of 3×3',
    'PSA': '3×3 to 9×9',
    'PyConv': '3×3 to 9×9',
    'Res2NetConv': 'chain of 3×3',
    'SDA': 'depth of the blocks',
}
CLASSES = 1000
HEADER = (
    '| module | slot | paper | ResNet-50 with it, M | several scales | identity start | ONNX |\n'
    '|---|---|---|---:|---|---|---|'
)
AUTHORS = re.compile(r"[A-Z][\w'’-]+ (et al\.|and [A-Z][\w'’-]+)")
# Where a paper is, the first kind that is named.
PLACES = re.compile(r'arXiv:[\d.]+\d'), re.compile(r'doi:\S+\w'), re.compile(r'[A-Z]{3,} 20\d\d')


def module_table() -> str:
    """A row for each registered module of ours."""
    import mmattn.models  # noqa: F401  registers them

    plain = _parameters({})
    lines = [HEADER]
    for slot, package in SLOTS.items():
        for name, module in _registered(MODELS, package):
            options = OPTIONS.get(name, {})
            count = _parameters({slot: dict(type=f'mmattn.{name}', **options)})
            words = ', '.join(f'{key}={value!r}' for key, value in options.items())
            cells = (
                f'`mmattn.{name}`' + (f' (`{words}`)' if words else ''),
                f'`{slot}`',
                _paper(module),
                f'{count / 1e6:.2f} ({(count - plain) / 1e6:+.2f})',
                SCALES.get(name, ''),
                'yes' if 'identity_init' in inspect.signature(module).parameters else '',
                'yes',  # each that is registered: tests/export exports it
            )
            lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)


def _registered(registry: Registry, package: str) -> Iterator[tuple[str, type]]:
    """Name and class of the modules that are registered from a package of `mmattn.models`, by name."""
    for name, module in sorted(registry.module_dict.items(), key=lambda item: item[0].lower()):
        if module.__module__.startswith(f'mmattn.models.{package}.'):
            yield name, module


def _parameters(slots: dict) -> int:
    """Parameters of a ResNet-50 with these slots filled, as a classifier of 1000 classes."""
    with torch.device('meta'):
        trunk = MODELS.build(dict(type='mmattn.AttnResNet', depth=50, **slots))
    head = (trunk.out_channels[-1] + 1) * CLASSES
    return sum(parameter.numel() for parameter in trunk.parameters()) + head


def _paper(module: object) -> str:
    """Authors and place of the paper, which the docstring of a module's file names first."""
    text = ' '.join((sys.modules[module.__module__].__doc__ or '').split())
    authors = AUTHORS.search(text)
    place = next(filter(None, (pattern.search(text) for pattern in PLACES)), None)
    kind, _, number = place[0].partition(':') if place else ('', '', '')
    link = {'arXiv': f'https://arxiv.org/abs/{number}', 'doi': f'https://doi.org/{number}'}.get(kind)
    words = [authors[0]] if authors else []
    return ', '.join([*words, f'[{place[0]}]({link})' if link else place[0]] if place else words)
