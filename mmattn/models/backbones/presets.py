"""The networks of the papers: each is the trunk with other defaults.

Depth attention and the other slots stay free, so ``EPSANet(depth=86, depth_attn='mmattn.SDA')`` is
SDA-EPSANet, and ``MSPANet(depth=50, stem='cifar')`` the network for small images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmattn.registry import MODELS

from .attn_resnet import AttnResNet

# PyConvResNet's `spatial`: one kernel size fewer from stage to stage. With it go stem_pool=False,
# strides=(2, 2, 2, 2) and max_down=True.
PYCONV_STAGES = (
    dict(type='mmattn.PyConv', kernel_sizes=(3, 5, 7, 9), groups=(1, 4, 8, 16)),
    dict(type='mmattn.PyConv', kernel_sizes=(3, 5, 7), groups=(1, 4, 8), splits=(1, 1, 2)),
    dict(type='mmattn.PyConv', kernel_sizes=(3, 5), groups=(1, 4)),
    None,
)

# The authors published no code of the large EPSANet: its kernels are the set that gives the
# paper's parameters and MACs (its FLOPs) with 32 groups and doubled planes.
EPSANET_SIZES: dict[str, dict] = {
    'small': dict(spatial=dict(type='mmattn.PSA')),
    'large': dict(
        spatial=dict(type='mmattn.PSA', kernel_sizes=(3, 5, 5, 7), groups=(32, 32, 32, 32)),
        stem_channels=64,
        base_channels=128,
        expansion=2,
    ),
}

MSPANET_SIZES: dict[str, dict] = {
    'S': dict(spatial=dict(type='mmattn.MSPA', base_width=28)),
    'B': dict(spatial=dict(type='mmattn.MSPA', base_width=30)),
}


@MODELS.register_module()
class SDAResNet(AttnResNet):
    """SDA-ResNet: 3x3 convolutions in 8 groups, depth attention in every stage (arXiv:2209.10327).

    ``SDAResNet(spatial=None, attn='mmattn.SE')`` is SDA-SENet, and so on for the other SDA-xNets.

    Args:
        depth: Number of layers; the paper's networks have 86.
        spatial: Config or type of what replaces the 3x3 convolutions.
        depth_attn: Config or type of the attention over the depth of a stage.
        **options: Other arguments of `AttnResNet`.
    """

    def __init__(
        self,
        depth: int = 86,
        *args: Any,
        spatial: dict | str | Sequence[dict | str | None] | None = dict(type='mmattn.GroupedConv', groups=8),  # noqa: B006
        depth_attn: dict | str | Sequence[dict | str | None] | None = dict(type='mmattn.SDA'),  # noqa: B006
        **options: Any,
    ) -> None:
        super().__init__(depth, *args, spatial=spatial, depth_attn=depth_attn, **options)


@MODELS.register_module()
class EPSANet(AttnResNet):
    """EPSANet: pyramid squeeze attention in place of the 3x3 convolutions (arXiv:2105.14447).

    Args:
        depth: Number of layers; the paper's networks have 50 and 101.
        size: 'small' or 'large'. Large is a reconstruction from the published counts.
        **options: Other arguments of `AttnResNet`; they override what `size` sets.

    Raises:
        ValueError: `size` is neither.
    """

    def __init__(self, depth: int = 50, *, size: str = 'small', **options: Any) -> None:
        super().__init__(depth, **(_of_size(size, EPSANET_SIZES) | options))


@MODELS.register_module()
class MSPANet(AttnResNet):
    """MSPANet: multi-scale spatial pyramid attention in place of the 3x3 convolutions.

    Args:
        depth: Number of layers; the paper's networks have 50 and 101.
        size: 'S' (28 channels a scale at 64 planes) or 'B' (30).
        **options: Other arguments of `AttnResNet`; they override what `size` sets.

    Raises:
        ValueError: `size` is neither.
    """

    def __init__(self, depth: int = 50, *, size: str = 'S', **options: Any) -> None:
        super().__init__(depth, **(_of_size(size, MSPANET_SIZES) | options))


@MODELS.register_module()
class EMAResNet(AttnResNet):
    """ResNet with efficient multi-scale attention after every block's last norm (arXiv:2305.13563).

    Args:
        depth: Number of layers; the paper's networks have 50 and 101.
        attn: Config or type of the attention at the end of each block.
        **options: Other arguments of `AttnResNet`.
    """

    def __init__(
        self, depth: int = 50, *, attn: dict | str | Sequence[dict | str | None] | None = 'mmattn.EMA', **options: Any
    ) -> None:
        super().__init__(depth, attn=attn, **options)


@MODELS.register_module()
class SPEMResNet(AttnResNet):
    """ResNet with self-adaptive pooling enhanced attention after every block's last norm.

    The paper's penalty on the pooling parameters is a weight decay on them, see the SPEM module.

    Args:
        depth: Number of layers; the paper's network has 164, and with it this one has the trunk for small images
            (``stem='cifar', base_channels=16``); other depths have the trunk for ImageNet.
        attn: Config or type of the attention at the end of each block.
        **options: Other arguments of `AttnResNet`; they override what `depth` sets.
    """

    def __init__(
        self, depth: int = 164, *, attn: dict | str | Sequence[dict | str | None] | None = 'mmattn.SPEM', **options: Any
    ) -> None:
        small_images: dict[str, Any] = dict(stem='cifar', base_channels=16) if depth == 164 else {}
        super().__init__(depth, attn=attn, **(small_images | options))


def _of_size(size: str, sizes: dict[str, dict]) -> dict:
    if size not in sizes:
        raise ValueError(f'size {size!r} is none of {sorted(sizes)}')
    return sizes[size]
