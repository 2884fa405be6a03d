"""Normalization-based Attention Module (NAM), Liu et al., arXiv:2111.12419.

Authors' repository: Christian-lyc/NAM. The channel attention, which is all that the authors'
ResNets use (their spatial one is tied to one image size). As in their code, and unlike the paper's
formula, a ReLU precedes the sigmoid, so that no weight is below one half, and the normalised
scales are taken as constants: BatchNorm's scale learns through BatchNorm alone.
"""

from torch import Tensor, nn

from mmattn.registry import MODELS

from .base import Attention


@MODELS.register_module()
class NAM(Attention):
    """``x * sigmoid(relu(s * norm(x)))``, s = |scales of norm| over their sum.

    In training its BatchNorm needs more than one position in the batch.

    Args:
        in_channels: Number of channels C of the input feature map.
        identity_init: Start as the identity, see `Attention`.

    Raises:
        ValueError: if `in_channels` is not a positive integer.
    """

    def __init__(self, in_channels: int, identity_init: bool = False):
        super().__init__(in_channels, identity_init)
        self.norm = nn.BatchNorm2d(in_channels)

    def attend(self, x: Tensor) -> Tensor:
        scale = self.norm.weight.detach().abs()
        share = (scale / scale.sum())[:, None, None]  # (C, 1, 1)
        return x * (self.norm(x) * share.to(x.dtype)).relu().sigmoid()
