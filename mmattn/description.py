"""What network a state_dict is of: the arguments of its backbone, inferred from keys and shapes."""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from .models.backbones.attn_resnet import ARCHITECTURES
from .models.backbones.presets import PYCONV_STAGES

# the first of these that is a key of a block tells its attention
_ATTENTION_MARKS = (
    ('attn.p', 'SPEM'), ('attn.channel.fc1.weight', 'CBAM'), ('attn.conv3.weight', 'EMA'),
    ('attn.cweight', 'SA'), ('attn.fc1.bias', 'SE'), ('attn.fc1.weight', 'FCA'),
    ('attn.norm.weight', 'NAM'), ('attn.conv.weight', 'ECA'))


@dataclass(frozen=True)
class Description:
    """A network as its weights show it.

    Args:
        backbone: config of the backbone; its ``type`` alone if nothing more could be inferred.
        classes: outputs of the last linear layer, None without one.
    """
    backbone: dict
    classes: int | None

    def __str__(self) -> str:
        arguments = ', '.join(
            f"{k}={'PYCONV_STAGES' if v is PYCONV_STAGES else repr(v)}" for k, v in self.backbone.items())
        head = 'no classifier' if self.classes is None else f'{self.classes} classes'
        return f'backbone=dict({arguments}), {head}'


def describe(state: Mapping[str, Tensor]) -> Description | None:
    """The network of a state_dict in our layout (keys ``backbone.layer1.0.conv1.weight``, …).

    What leaves no trace in keys and shapes (strides, pooling, dilation) is taken to be as the papers have it.
    None if there is no residual stage in it.
    """
    classes = state['head.fc.weight'].shape[0] if 'head.fc.weight' in state else None
    blocks: dict[int, int] = {}
    for key in state:
        match = re.match(r'backbone\.layer(\d+)\.(\d+)\.', key)
        if match:
            stage, i = int(match[1]), int(match[2])
            blocks[stage] = max(blocks.get(stage, 0), i + 1)
    if not blocks or sorted(blocks) != list(range(1, len(blocks) + 1)):
        return None
    try:
        return Description(_backbone(state, tuple(blocks[s] for s in sorted(blocks))), classes)
    except (KeyError, IndexError, ZeroDivisionError):
        return Description(dict(type='mmattn.AttnResNet'), classes)


def _backbone(state: Mapping[str, Tensor], counts: tuple[int, ...]) -> dict:
    first = _block(state, 1)
    stem = state.get('backbone.conv1.weight')
    small = stem is not None and stem.shape[-1] == 3
    last = 'conv3' if 'conv3.weight' in first else 'conv2'
    block = 'basic' if last == 'conv2' else 'preact' if 'backbone.bn.weight' in state else 'bottleneck'
    spatial, width = _spatial(state, first, len(counts))
    channels = first[f'{last}.weight'].shape[0]
    planes = width or (channels if block == 'basic' else channels // 4)
    attn = next((f'mmattn.{name}' for key, name in _ATTENTION_MARKS if key in first), None)
    kind = spatial.get('type', '').removeprefix('mmattn.') if isinstance(spatial, dict) else ''

    config = _depth(counts, block)
    if small:
        config['stem'] = 'cifar'
    if stem is None:
        config['deep_stem'] = True
    if planes != 64:
        config['base_channels'] = planes
    if block != 'basic' and channels != 4 * planes:
        config['expansion'] = channels // planes
    if stem is not None and stem.shape[0] != planes:
        config['stem_channels'] = stem.shape[0]
    if spatial:
        config['spatial'] = spatial
    if isinstance(spatial, tuple):  # PyConv's network has its own way to halve the maps
        config.update(stem_pool=False, strides=(2,) * len(counts), max_down=True)
    if attn:
        config['attn'] = attn
    if 'backbone.layer1.depth_attn.squeeze.weight' in state:
        config['depth_attn'] = 'mmattn.SDA'
    return _named(config, kind)


def _block(state: Mapping[str, Tensor], stage: int) -> dict[str, Tensor]:
    prefix = f'backbone.layer{stage}.0.'
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _depth(counts: tuple[int, ...], block: str) -> dict:
    for depth, (known, blocks) in ARCHITECTURES.items():
        if blocks == counts and (known == 'basic') == (block == 'basic'):
            return dict(depth=depth, block='preact') if block == 'preact' else dict(depth=depth)
    return dict(depth=None, stage_blocks=counts, **({} if block == 'bottleneck' else {'block': block}))


def _spatial(state: Mapping[str, Tensor], first: dict[str, Tensor],
             stages: int) -> tuple[dict | tuple | None, int | None]:
    """What fills the spatial slot, and the planes where they are the bottleneck's width."""
    plain = first.get('conv2.weight')
    if plain is not None:
        groups = plain.shape[0] // plain.shape[1]
        channels = first['conv3.weight'].shape[0] if 'conv3.weight' in first else plain.shape[0]
        if groups == 1:
            return None, plain.shape[0]
        options = dict(type='mmattn.GroupedConv', groups=groups)
        if plain.shape[0] * 4 == channels:
            return options, plain.shape[0]
        return dict(options, base_width=plain.shape[1]), None
    convs = [v for k, v in sorted(first.items()) if re.fullmatch(r'conv2\.convs\.\d+\.weight', k)]
    if 'conv2.attention.fc1.weight' in first:
        groups = convs[0].shape[0] // convs[0].shape[1]
        deepest = _block(state, stages)
        hidden, _ = deepest['conv2.attention.fc1.weight'].shape[:2]
        reduction = deepest['conv2.convs.0.weight'].shape[0] // hidden
        options = dict(type='mmattn.MSPA', base_width=convs[0].shape[0] // groups)
        options |= dict(groups=groups) if groups > 1 else {}
        options |= dict(reduction=reduction) if reduction != 16 else {}
        options |= dict(scales=len(convs)) if len(convs) != 3 else {}
        return options, None
    if 'conv2.bns.0.weight' in first:
        return dict(type='mmattn.Res2NetConv'), None
    if 'conv2.se.fc1.weight' in first:
        kernels = tuple(v.shape[-1] for v in convs)
        groups = tuple(first['conv1.weight'].shape[0] // v.shape[1] for v in convs)
        options = dict(type='mmattn.PSA', kernel_sizes=kernels, groups=groups)
        return options, first['conv1.weight'].shape[0]
    return PYCONV_STAGES, first['conv1.weight'].shape[0]


def _named(config: dict, kind: str) -> dict:
    """The same in terms of the named networks, whose defaults are left out."""
    spatial, attn = config.get('spatial'), config.get('attn')
    if kind == 'PSA':
        small = spatial == dict(type='mmattn.PSA', kernel_sizes=(3, 5, 7, 9), groups=(1, 4, 8, 16))
        large = spatial == dict(type='mmattn.PSA', kernel_sizes=(3, 5, 5, 7), groups=(32,) * 4)
        drop = {'spatial'} if small else {'spatial', 'base_channels', 'expansion', 'stem_channels'}
        if small or large:
            return dict(type='mmattn.EPSANet', **({} if small else {'size': 'large'}),
                        **{k: v for k, v in config.items() if k not in drop})
    if kind == 'MSPA' and set(spatial) == {'type', 'base_width'} and spatial['base_width'] in (28, 30):
        size = 'S' if spatial['base_width'] == 28 else 'B'
        return dict(type='mmattn.MSPANet', size=size, **_without(config, 'spatial'))
    if 'depth_attn' in config and spatial == dict(type='mmattn.GroupedConv', groups=8):
        return dict(type='mmattn.SDAResNet', **_without(config, 'spatial', 'depth_attn'))
    if attn == 'mmattn.SPEM' and config.get('depth') == 164:
        return dict(type='mmattn.SPEMResNet', **_without(config, 'attn', 'stem', 'base_channels'))
    if attn == 'mmattn.EMA':
        return dict(type='mmattn.EMAResNet', **_without(config, 'attn'))
    return dict(type='mmattn.AttnResNet', **config)


def _without(config: dict, *names: str) -> dict:
    return {k: v for k, v in config.items() if k not in names}
