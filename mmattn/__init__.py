"""Attention networks for the mm libraries: ``from mmattn import SDAResNet, EMA, prepare``.

The names are loaded when they are first asked for. They are those under which configs have them (``type='mmattn.EMA'``)
and can stand in a pure-Python config as classes (``type=EMA``). Needs neither mmdet nor mmpretrain.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from mmattn import config_scope, mmcv_ext

if TYPE_CHECKING:  # for editors and type checkers, which do not see what __getattr__ returns
    from mmattn.engine.fold_norms import FoldNormsHook
    from mmattn.engine.hooks import CheckpointHook, DrawnNamesHook, GateHook, PrepareHook, ResourceHook
    from mmattn.inference.prepare import prepare
    from mmattn.models.attention import BAM, CBAM, ECA, EMA, FCA, NAM, SE, SPEM, CoordAttention, SimAM, TripletAttention
    from mmattn.models.attention import GlobalContext as GC
    from mmattn.models.attention import ShuffleAttention as SA
    from mmattn.models.backbones import AttnResNet, EMAResNet, EPSANet, MSPANet, SDAResNet, SPEMResNet
    from mmattn.models.backbones import attention_on as AttentionOn
    from mmattn.models.depth import SDA, AfterStage
    from mmattn.models.necks import GlobalAveragePoolingBN
    from mmattn.models.spatial import MSPA, PSA, PyConv, Res2NetConv
    from mmattn.models.spatial import grouped_conv as GroupedConv
    from mmattn.ops import faster_ways, set_faster, use_faster
    from mmattn.weights.pretrained import load_pretrained

__version__ = '0.1.0'

# Home of each public name, below `mmattn`; with ':' where the class is called otherwise there.
_HOMES = {
    'AttnResNet': 'models.backbones',
    'EMAResNet': 'models.backbones',
    'EPSANet': 'models.backbones',
    'MSPANet': 'models.backbones',
    'SDAResNet': 'models.backbones',
    'SPEMResNet': 'models.backbones',
    'AttentionOn': 'models.backbones:attention_on',
    'GlobalAveragePoolingBN': 'models.necks',
    'BAM': 'models.attention',
    'CBAM': 'models.attention',
    'CoordAttention': 'models.attention',
    'ECA': 'models.attention',
    'EMA': 'models.attention',
    'FCA': 'models.attention',
    'GC': 'models.attention:GlobalContext',
    'NAM': 'models.attention',
    'SA': 'models.attention:ShuffleAttention',
    'SE': 'models.attention',
    'SPEM': 'models.attention',
    'SimAM': 'models.attention',
    'TripletAttention': 'models.attention',
    'AfterStage': 'models.depth',
    'SDA': 'models.depth',
    'GroupedConv': 'models.spatial:grouped_conv',
    'MSPA': 'models.spatial',
    'PSA': 'models.spatial',
    'PyConv': 'models.spatial',
    'Res2NetConv': 'models.spatial',
    'CheckpointHook': 'engine.hooks',
    'DrawnNamesHook': 'engine.hooks',
    'FoldNormsHook': 'engine.fold_norms',
    'GateHook': 'engine.hooks',
    'PrepareHook': 'engine.hooks',
    'ResourceHook': 'engine.hooks',
    'faster_ways': 'ops',
    'set_faster': 'ops',
    'use_faster': 'ops',
    'load_pretrained': 'weights.pretrained',
    'prepare': 'inference',
}

__all__ = [
    'AfterStage',
    'AttentionOn',
    'AttnResNet',
    'BAM',
    'CBAM',
    'CheckpointHook',
    'CoordAttention',
    'DrawnNamesHook',
    'ECA',
    'EMA',
    'EMAResNet',
    'EPSANet',
    'FCA',
    'FoldNormsHook',
    'GC',
    'GateHook',
    'GlobalAveragePoolingBN',
    'GroupedConv',
    'MSPA',
    'MSPANet',
    'NAM',
    'PSA',
    'PrepareHook',
    'PyConv',
    'Res2NetConv',
    'ResourceHook',
    'SA',
    'SDA',
    'SDAResNet',
    'SE',
    'SPEM',
    'SPEMResNet',
    'SimAM',
    'TripletAttention',
    'faster_ways',
    'load_pretrained',
    'prepare',
    'set_faster',
    'use_faster',
]

mmcv_ext.install()
config_scope.install()


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    home, _, other_name = _HOMES[name].partition(':')
    value = globals()[name] = getattr(importlib.import_module(f'{__name__}.{home}'), other_name or name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
