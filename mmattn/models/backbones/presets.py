"""The networks of the papers: each is the trunk with other defaults."""
from __future__ import annotations

from mmattn.registry import MODELS

from .attn_resnet import AttnResNet


@MODELS.register_module()
class SDAResNet(AttnResNet):
    """SDA-ResNet: 3x3 convolutions in 8 groups, depth attention in every stage (SDA-xNet, arXiv:2209.10327).

    ``SDAResNet(spatial=None, attn='mmattn.SE')`` is SDA-SENet, and so on for the other SDA-xNets.

    Args:
        depth: the paper's networks have 86.
        spatial: the spatial slot.
        depth_attn: the depth attention slot.
        options: of `AttnResNet`.
    """

    def __init__(self, depth: int = 86, *args, spatial=dict(type='mmattn.GroupedConv', groups=8),  # noqa: B006
                 depth_attn=dict(type='mmattn.SDA'), **options) -> None:  # noqa: B006
        super().__init__(depth, *args, spatial=spatial, depth_attn=depth_attn, **options)
