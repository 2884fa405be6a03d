"""Conversion of keys and shapes of weights: those of the networks' authors to ours, and back.

One table of rules serves both directions. A rule is a pair of templates for keys, theirs and ours, with
fields in braces: ``{s}`` a stage from 1 on, ``{i}`` a block and ``{k}`` a part from 0 on (``{k+1}`` where
they count from 1), ``{leaf}`` a name without dots, ``{rest}`` anything. The first rule that fits a key
counts. A key layout is made of three tables: the network's, and those of what fills the spatial and the
attention slot of its blocks. Nothing here touches files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

FIELDS = {'s': r'\d+', 'i': r'\d+', 'k': r'\d+', 'leaf': r'[^.]+', 'rest': r'.+'}
State = Mapping[str, Tensor]


class ConversionError(ValueError):
    """The keys of a state dict fit no key layout, or not the one they are said to have."""


@dataclass(frozen=True)
class Rule:
    """What becomes of one kind of key.

    Args:
        theirs: Template of the key in the authors' state dict.
        ours: Template of the key in our state dict.
        change: Change of the tensor: 'rename' for none; 'squeeze' where theirs is of a 1x1 convolution and ours of a
            linear layer; 'stack' where ours holds their tensors k = 0, 1, ... one after another along the first axis.
    """

    theirs: str
    ours: str
    change: str = 'rename'

    def inside(self, theirs: str, ours: str) -> Rule:
        """The rule for keys that begin with these prefixes."""
        return Rule(f'{theirs}{self.theirs}', f'{ours}{self.ours}', self.change)


@dataclass(frozen=True)
class Table:
    """The rules of one source; its first rule is what the source is recognised by.

    Args:
        name: Name of the table, for ``--layout``.
        source: Whose weights these are, for messages.
        rules: Rules in order of precedence.
        block: Template of the prefix of a residual block's keys in theirs; '' for the table of a slot.
    """

    name: str
    source: str
    rules: tuple[Rule, ...]
    block: str = ''


OUR_BLOCK = 'backbone.layer{s}.{i}.'
_STEM_AND_HEAD = (
    Rule('conv1.{leaf}', 'backbone.conv1.{leaf}'),
    Rule('bn1.{leaf}', 'backbone.bn1.{leaf}'),
    Rule('fc.{rest}', 'head.fc.{rest}'),
)
NETWORKS = (
    Table(
        'sda',
        'SDA-xNet (QingbeiGuo/SDA-xNet)',
        (
            Rule('stage{s}.fc.0.{leaf}', 'backbone.layer{s}.depth_attn.squeeze.{leaf}'),
            Rule('stage{s}.fc.1.{leaf}', 'backbone.layer{s}.depth_attn.bn.{leaf}'),
            Rule('stage{s}.fcs.{k}.{leaf}', 'backbone.layer{s}.depth_attn.expand.{leaf}', 'stack'),
            *_STEM_AND_HEAD,
            Rule('bn2.{leaf}', 'neck.bn.{leaf}'),
        ),
        block='stage{s}.layers.{i}.',
    ),
    Table(
        'mm',
        'mmpretrain, mmdet or mmattn',
        (Rule('backbone.layer{s}.{rest}', 'backbone.layer{s}.{rest}'), Rule('{rest}', '{rest}')),
        block='backbone.layer{s}.{i}.',
    ),
    Table(
        'resnet-d',
        "timm's ResNet with a deep stem",
        (
            Rule('conv1.0.{leaf}', 'backbone.stem.0.{leaf}'),
            Rule('bn1.{leaf}', 'backbone.stem.7.{leaf}'),
            Rule('conv1.{k}.{leaf}', 'backbone.stem.{k}.{leaf}'),
            Rule('fc.{rest}', 'head.fc.{rest}'),
        ),
        block='layer{s}.{i}.',
    ),
    Table(
        'resnet',
        "torchvision's ResNet",
        (
            Rule('layer{s}.{i}.conv1.{leaf}', 'backbone.layer{s}.{i}.conv1.{leaf}'),
            *_STEM_AND_HEAD,
            Rule('bn.{leaf}', 'backbone.bn.{leaf}'),
        ),
        block='layer{s}.{i}.',
    ),
)
# A source whose names in ours are some of another's comes before it: see `recognise_ours`.
SPATIAL = (
    Table('pyconv', 'PyConv (iduta/pyconv)', (Rule('conv2.conv2_{k+1}.{leaf}', 'conv2.convs.{k}.{leaf}'),)),
    Table(
        'epsanet',
        'EPSANet (murufeng/EPSANet)',
        (Rule('conv2.conv_{k+1}.{leaf}', 'conv2.convs.{k}.{leaf}'), Rule('conv2.se.{rest}', 'conv2.se.{rest}')),
    ),
    Table(
        'res2net',
        'Res2Net (Res2Net/Res2Net-PretrainedModels)',
        (Rule('bns.{k}.{leaf}', 'conv2.bns.{k}.{leaf}'), Rule('convs.{k}.{leaf}', 'conv2.convs.{k}.{leaf}')),
    ),
    Table(
        'mspanet',
        'MSPANet (ndsclark/MSPANet)',
        (
            Rule('conv2.attention.{rest}', 'conv2.attention.{rest}'),
            Rule('conv2.convs.{k}.{leaf}', 'conv2.convs.{k}.{leaf}'),
            Rule('conv2.bns.{k}.{leaf}', 'conv2.bns.{k}.{leaf}'),
        ),
    ),
)
ATTENTION = (
    Table(
        'spem',
        'SPEM (Qrange-group/SPEM)',
        (Rule('p', 'attn.p'), *(Rule(name, f'attn.{name}') for name in ('w1', 'b1', 'w2', 'b2'))),
    ),
    Table(
        'cbam',
        'CBAM (luuuyi/CBAM.PyTorch)',
        (
            Rule('ca.fc.0.{leaf}', 'attn.channel.fc1.{leaf}'),
            Rule('ca.fc.2.{leaf}', 'attn.channel.fc2.{leaf}'),
            Rule('sa.conv1.{leaf}', 'attn.spatial.conv.{leaf}'),
        ),
    ),
    Table('nam', 'NAM (Christian-lyc/NAM)', (Rule('nam.Channel_Att.bn2.{leaf}', 'attn.norm.{leaf}'),)),
    *(
        Table(
            name,
            source,
            (
                Rule(f'{slot}.gn.{{leaf}}', 'attn.norm.{leaf}'),
                Rule(f'{slot}.conv1x1.{{leaf}}', 'attn.conv1.{leaf}'),
                Rule(f'{slot}.conv3x3.{{leaf}}', 'attn.conv3.{leaf}'),
            ),
        )
        for name, slot, source in (
            ('ema', 'nam', "EMA (YOLOonMe/EMA-attention-module) in NAM's ResNet"),
            ('ema-ema', 'ema', "EMA under the name 'ema'"),
            ('ema-attn', 'attn', "EMA under the name 'attn'"),
        )
    ),
    Table(
        'se',
        "SE in SDA-xNet's repository",
        (Rule('fc1.{leaf}', 'attn.fc1.{leaf}'), Rule('fc2.{leaf}', 'attn.fc2.{leaf}')),
    ),
    Table(
        'se-timm',
        'SE of timm',
        (
            Rule('se.fc1.weight', 'attn.fc1.weight', 'squeeze'),
            Rule('se.fc2.weight', 'attn.fc2.weight', 'squeeze'),
            Rule('se.fc1.bias', 'attn.fc1.bias'),
            Rule('se.fc2.bias', 'attn.fc2.bias'),
        ),
    ),
    Table(
        'se-mm',
        'SE of mmpretrain',
        (
            Rule('se_layer.conv1.conv.weight', 'attn.fc1.weight', 'squeeze'),
            Rule('se_layer.conv2.conv.weight', 'attn.fc2.weight', 'squeeze'),
            Rule('se_layer.conv1.conv.bias', 'attn.fc1.bias'),
            Rule('se_layer.conv2.conv.bias', 'attn.fc2.bias'),
        ),
    ),
    Table('eca', 'ECA (BangguWu/ECANet)', (Rule('eca.conv.{leaf}', 'attn.conv.{leaf}'),)),
    Table('eca-timm', 'ECA of timm', (Rule('se.conv.{leaf}', 'attn.conv.{leaf}'),)),
    Table(
        'sa',
        'shuffle attention (wofmanaf/SA-Net)',
        (
            Rule('sa.cweight', 'attn.cweight'),
            *(Rule(f'sa.{name}', f'attn.{name}') for name in ('cbias', 'sweight', 'sbias')),
            Rule('sa.gn.{leaf}', 'attn.norm.{leaf}'),
        ),
    ),
)
_BY_NAME = {table.name: table for table in (*NETWORKS, *SPATIAL, *ATTENTION)}


@dataclass(frozen=True)
class Layout:
    """The names that a source gives its weights: by the table of its network, and those of the slots that have one.

    Args:
        network: Table of the network.
        slots: Tables of what fills the spatial and the attention slot, where it has a table.
    """

    network: Table
    slots: tuple[Table, ...] = ()

    @property
    def name(self) -> str:
        """Name as in ``--layout``: 'sda+cbam'."""
        return '+'.join(table.name for table in (self.network, *self.slots))

    @property
    def source(self) -> str:
        """Whose key layout it is, for messages."""
        return ' with '.join(table.source for table in (self.network, *self.slots))

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules in order of precedence; what the slots leave is renamed as the network has it."""
        block = self.network.block
        return (
            *(rule.inside(block, OUR_BLOCK) for table in self.slots for rule in table.rules),
            *self.network.rules,
            Rule('{rest}', '{rest}').inside(block, OUR_BLOCK),
        )

    @classmethod
    def of(cls, name: str) -> Layout:
        """The key layout of this name.

        Raises:
            ConversionError: There is none.
        """
        network, *slots = name.split('+')
        known = {table.name for table in NETWORKS}
        unknown = [n for n in slots if n not in _BY_NAME or n in known]
        if network not in known or unknown:
            raise ConversionError(
                f"no key layout {name!r}: it is one of {', '.join(sorted(known))}, with '+' and the names of slots "
                f'behind it: {", ".join(n for n in _BY_NAME if n not in known)}'
            )
        return cls(_BY_NAME[network], tuple(_BY_NAME[n] for n in slots))


def recognise(state: State) -> Layout:
    """The key layout of a state dict from any source, by its keys.

    Raises:
        ConversionError: It is none that is known here.
    """
    for network in NETWORKS:
        if _any(network.rules[0].theirs, state):
            slots = (_first(tables, network.block, state) for tables in (SPATIAL, ATTENTION))
            return Layout(network, tuple(table for table in slots if table))
    raise ConversionError(f'the keys are of no network known here: {_some(state)}')


def recognise_ours(state: State, network: str | None = None) -> Layout:
    """The authors' key layout to which a state dict of ours (``backbone.…``) goes back.

    Args:
        state: State dict of a network of ours.
        network: Name of the network's table; None: 'sda' with depth attention, else torchvision's or timm's.

    Raises:
        ConversionError: The state dict is not of a network of ours.
    """
    if not _any(f'{OUR_BLOCK}{{rest}}', state):
        raise ConversionError(f"no keys of the form 'backbone.layer1.0.…' in it: {_some(state)}")
    if network is None:
        network = (
            'sda'
            if _any('backbone.layer{s}.depth_attn.{rest}', state)
            else 'resnet-d'
            if _any('backbone.stem.{rest}', state)
            else 'resnet'
        )
    slots = []
    for tables, prefix in ((SPATIAL, 'conv2'), (ATTENTION, 'attn')):
        pattern = _pattern(f'{OUR_BLOCK}{{rest}}')
        keys = {m['rest'] for m in map(pattern.fullmatch, state) if m and m['rest'].startswith(prefix + '.')}
        keys -= {'conv2.weight'}  # a plain convolution needs no rule
        slots += [t for t in tables if keys and all(any(_pattern(r.ours).fullmatch(k) for r in t.rules) for k in keys)][
            :1
        ]
    return Layout(_BY_NAME[network], tuple(slots))


def convert(state: State, layout: Layout) -> dict[str, Tensor]:
    """A state dict in `layout` with the keys and shapes of an mm classifier of ours (backbone, neck, head).

    Raises:
        ConversionError: A key has no rule, or a stack is not complete.
    """
    converted: dict[str, Tensor] = {}
    stacks: dict[str, dict[int, Tensor]] = {}
    for key, tensor in state.items():
        rule, fields = _rule(key, 'theirs', layout)
        ours = _fill(rule.ours, fields)
        if rule.change == 'stack':
            stacks.setdefault(ours, {})[int(fields['k'])] = tensor
            converted.setdefault(ours, tensor)  # keeps the place
        else:
            _add(converted, ours, tensor.flatten(1) if rule.change == 'squeeze' else tensor)
    for key, parts in stacks.items():
        if sorted(parts) != list(range(len(parts))):
            raise ConversionError(f'{key} is made of parts 0, 1, …, but there are only {sorted(parts)}')
        converted[key] = torch.cat([parts[k] for k in range(len(parts))])
    return converted


def revert(state: State, layout: Layout) -> dict[str, Tensor]:
    """A state dict of ours in the authors' `layout`: the inverse of `convert`.

    Raises:
        ConversionError: A key has no place in the key layout.
    """
    entries = []
    places: dict[str, int] = {}
    for place, (key, tensor) in enumerate(state.items()):
        rule, fields = _rule(key, 'ours', layout)
        if rule.change == 'stack':
            place = places.setdefault(key.rpartition('.')[0], place)
            rows = _stack_rows(state, fields)
            entries += [
                (place, k, _fill(rule.theirs, {**fields, 'k': str(k)}), part.clone())
                for k, part in enumerate(tensor.split(rows))
            ]
        else:
            value = tensor[:, :, None, None] if rule.change == 'squeeze' else tensor
            entries.append((place, 0, _fill(rule.theirs, fields), value))
    reverted: dict[str, Tensor] = {}
    for _, _, key, value in sorted(entries, key=lambda entry: entry[:2]):
        _add(reverted, key, value)
    return reverted


def _stack_rows(state: State, fields: dict[str, str]) -> int:
    """Rows of one block's part of the depth attention's `expand`: the channels that `squeeze` reads."""
    squeeze = f'backbone.layer{fields["s"]}.depth_attn.squeeze.weight'
    if squeeze not in state:
        raise ConversionError(f'{squeeze} is missing')
    return state[squeeze].shape[1]


def _rule(key: str, side: str, layout: Layout) -> tuple[Rule, dict[str, str]]:
    for rule in layout.rules:
        match = _pattern(getattr(rule, side)).fullmatch(key)
        if match:
            fields = match.groupdict()
            if '{k+1}' in getattr(rule, side):
                fields['k'] = str(int(fields['k']) - 1)
            return rule, fields
    raise ConversionError(f'{key} has no place in the key layout {layout.name!r} ({layout.source})')


def _add(state: dict[str, Tensor], key: str, tensor: Tensor) -> None:
    if key in state:
        raise ConversionError(f'two tensors would become {key}')
    state[key] = tensor


@cache
def _pattern(template: str) -> re.Pattern:
    parts = re.split(r'\{(\w+)(?:\+1)?\}', template)
    return re.compile(
        ''.join(f'(?P<{part}>{FIELDS[part]})' if i % 2 else re.escape(part) for i, part in enumerate(parts))
    )


def _fill(template: str, fields: dict[str, str]) -> str:
    if '{k+1}' in template:
        template = template.replace('{k+1}', str(int(fields['k']) + 1))
    return template.format(**fields)


def _any(template: str, keys: Iterable[str]) -> bool:
    pattern = _pattern(template)
    return any(pattern.fullmatch(key) for key in keys)


def _first(tables: tuple[Table, ...], block: str, state: State) -> Table | None:
    return next((t for t in tables if _any(t.rules[0].inside(block, '').theirs, state)), None)


def _some(state: State) -> str:
    keys = list(state)
    return ', '.join(keys[:4]) + (f', … ({len(keys)} in all)' if len(keys) > 4 else '')
