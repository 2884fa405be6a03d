"""The networks of the papers' tables: how each is built, and how many parameters it has.

``NETWORKS`` is the one table of them. Its counts are those of the authors' code, to the unit; where
the authors published none, the comment says where the count comes from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

import mmattn.models  # noqa: F401
from mmattn.analysis.benchmark.classifier import Classifier
from mmattn.models.backbones.presets import PYCONV_STAGES
from mmattn.registry import MODELS


@dataclass(frozen=True)
class Network:
    """A backbone, and the classifier it makes.

    Args:
        backbone: config of the backbone.
        parameters: of the whole classifier, exact.
        classes: of the linear layer.
        input_size: height and width of its images.
    """

    backbone: dict
    parameters: int
    classes: int = 1000
    input_size: int = 224

    def build(self, **overrides) -> Classifier:
        """The classifier, with arguments of its backbone overridden."""
        return Classifier(MODELS.build(self.backbone | overrides), self.classes)

    def build_small(self) -> Classifier:
        """The same with few blocks, enough to test what does not depend on the depth."""
        stages = 3 if self.backbone['depth'] in (29, 164) else 4
        return self.build(stage_blocks=(2, 1, 1, 1)[:stages])


def _trunk(depth: int, **options) -> dict:
    return dict(type='mmattn.AttnResNet', depth=depth, **options)


def _preset(name: str, depth: int, **options) -> dict:
    return dict(type=f'mmattn.{name}', depth=depth, **options)


PYCONV = dict(spatial=PYCONV_STAGES, stem_pool=False, strides=(2, 2, 2, 2), max_down=True)
RES2NET = dict(spatial=dict(type='mmattn.Res2NetConv'))
SDA = dict(depth_attn='mmattn.SDA')
SMALL_IMAGES = dict(stem='cifar', base_channels=16)

cifar100 = partial(Network, classes=100, input_size=32)


def _mspanext(groups: int) -> dict:
    return _trunk(29, stem='cifar', spatial=dict(type='mmattn.MSPA', base_width=30, groups=groups))


def _preact_mspanet(base_width: int, reduction: int) -> dict:
    return _trunk(
        164,
        block='preact',
        spatial=dict(type='mmattn.MSPA', base_width=base_width, reduction=reduction),
        **SMALL_IMAGES,
    )


NETWORKS = {
    # SDA-xNet and what it is compared with
    'sda_resnet50': Network(_preset('SDAResNet', 50), 17_410_984),
    'sda_resnet86': Network(_preset('SDAResNet', 86), 27_219_880),
    'sda_resnet101': Network(_preset('SDAResNet', 101), 28_761_000),
    'sda_senet86': Network(_trunk(86, attn='mmattn.SE', **SDA), 49_130_808),
    'sda_cbam86': Network(_trunk(86, attn='mmattn.CBAM', **SDA), 49_104_992),
    'sda_pyconv86': Network(_trunk(86, **PYCONV, **SDA), 43_331_176),
    'sda_res2net86': Network(_trunk(86, **RES2NET, **SDA), 45_254_544),
    'sda_epsanet86': Network(_preset('EPSANet', 86, **SDA), 39_392_001),
    'resnet50': Network(_trunk(50), 25_557_032),
    'resnet86': Network(_trunk(86), 41_886_248),
    'senet50': Network(_trunk(50, attn='mmattn.SE'), 28_088_024),
    'senet86': Network(_trunk(86, attn='mmattn.SE'), 46_346_680),
    'cbam50': Network(_trunk(50, attn='mmattn.CBAM'), 28_073_544),
    'cbam86': Network(_trunk(86, attn='mmattn.CBAM'), 46_320_864),
    'cbam101': Network(_trunk(101, attn='mmattn.CBAM'), 49_295_562),
    'pyconv50': Network(_trunk(50, **PYCONV), 24_847_720),
    'pyconv86': Network(_trunk(86, **PYCONV), 40_547_048),
    'pyconv101': Network(_trunk(101, **PYCONV), 42_307_944),
    'res2net50': Network(_trunk(50, **RES2NET), 25_699_120),
    'res2net86': Network(_trunk(86, **RES2NET), 42_470_416),
    'res2net101': Network(_trunk(101, **RES2NET), 45_206_688),
    # EPSANet; the large ones are reconstructions from the published counts
    'epsanet50': Network(_preset('EPSANet', 50), 22_561_715),
    'epsanet86': Network(_preset('EPSANet', 86), 36_607_873),
    'epsanet101': Network(_preset('EPSANet', 101), 38_900_279),
    'epsanet50_large': Network(_preset('EPSANet', 50, size='large'), 27_899_518),
    'epsanet101_large': Network(_preset('EPSANet', 101, size='large'), 49_592_198),
    # MSPANet
    'mspanet50_s': Network(_preset('MSPANet', 50, size='S'), 23_768_751),
    'mspanet50_b': Network(_preset('MSPANet', 50, size='B'), 25_620_652),
    'mspanet101_s': Network(_preset('MSPANet', 101, size='S'), 41_375_702),
    'mspanet101_b': Network(_preset('MSPANet', 101, size='B'), 44_923_387),
    'mspanet50_s_cifar100': cifar100(_preset('MSPANet', 50, size='S', stem='cifar'), 21_916_971),
    'mspanet50_b_cifar100': cifar100(_preset('MSPANet', 50, size='B', stem='cifar'), 23_768_872),
    'preact_mspanet164_6w_cifar100': cifar100(_preact_mspanet(6, reduction=4), 1_344_852),
    'preact_mspanet164_8w_cifar100': cifar100(_preact_mspanet(8, reduction=8), 1_919_586),
    # No code was published and the paper's 26.02 and 34.43 million could not be reproduced: these
    # are the counts of this reading of '6c x 30w x 3s' and '8c x 30w x 3s'.
    'mspanext29_6c_cifar100': cifar100(_mspanext(6), 26_741_450),
    'mspanext29_8c_cifar100': cifar100(_mspanext(8), 35_737_391),
    # Not measured from anyone's code: they round to the 20.710, 34.519 and 1.726 million of the
    # MSPANet paper's table.
    'epsanet50_cifar100': cifar100(_preset('EPSANet', 50, stem='cifar'), 20_709_935),
    'resnext29_8x64_cifar100': cifar100(
        _trunk(29, stem='cifar', spatial=dict(type='mmattn.GroupedConv', groups=8, base_width=64)), 34_518_948
    ),
    'preact_resnet164_cifar100': cifar100(_trunk(164, block='preact', **SMALL_IMAGES), 1_726_388),
    # SPEM; ResNet-164 is what is left without its 32,364 parameters
    'resnet164_cifar100': cifar100(_trunk(164, **SMALL_IMAGES), 1_727_284),
    'spem164_cifar10': Network(_preset('SPEMResNet', 164), 1_736_518, classes=10, input_size=32),
    'spem164_cifar100': cifar100(_preset('SPEMResNet', 164), 1_759_648),
    # EMA
    'resnet50_cifar100': cifar100(_trunk(50, stem='cifar'), 23_705_252),
    'resnet101_cifar100': cifar100(_trunk(101, stem='cifar'), 42_697_380),
    'ema_resnet50_cifar100': cifar100(_preset('EMAResNet', 50, stem='cifar'), 23_903_620),
    'ema_resnet101_cifar100': cifar100(_preset('EMAResNet', 101, stem='cifar'), 43_072_004),
}


def kinds() -> list[str]:
    """Names: of the networks that differ only in depth, stem, width and classes, the first."""
    first = {}
    for name, network in NETWORKS.items():
        config = {k: v for k, v in network.backbone.items() if k not in ('depth', 'stem', 'size')}
        stages = 3 if network.backbone['depth'] in (29, 164) else 4
        first.setdefault(repr((config, stages)), name)
    return list(first.values())


def images(*shape: int) -> Tensor:
    """A fixed batch of noise."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))
