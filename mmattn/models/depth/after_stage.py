"""Attention once a stage, after its last block, as BAM is used (Park et al., arXiv:1807.06514)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from mmattn.registry import MODELS


@MODELS.register_module()
class AfterStage(nn.Module):
    """An attention module on the output of a stage's last block; of the other blocks it makes no use.

    A stage of post-activation blocks applies ReLU to what its depth attention returns. Here ReLU comes before the
    attention; that the stage applies it again changes nothing as long as the attention keeps signs, as re-weighting
    does (GC adds: what becomes negative is 0 then).

    Args:
        channels: Number of channels C of each feature map.
        depth: Number of feature maps; not used.
        attn: Config, or only the type as a string, of the attention.
        norm_cfg: Not used.

    Examples:
        >>> after = AfterStage(channels=64, depth=3, attn='mmattn.SE')
        >>> after([torch.rand(2, 64, 14, 14) for _ in range(3)]).shape
        torch.Size([2, 64, 14, 14])
    """

    def __init__(self, channels: int, depth: int, attn: dict | str, norm_cfg: dict | None = None) -> None:
        super().__init__()
        self.attn = MODELS.build(
            dict(type=attn) if isinstance(attn, str) else attn, default_args=dict(in_channels=channels)
        )

    def forward(self, sums: list[Tensor]) -> Tensor:
        return self.attn(F.relu(sums[-1]))
