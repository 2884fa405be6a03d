"""SimAM, Yang et al., 'A Simple, Parameter-Free Attention Module', ICML 2021.

Authors' repository: ZjjConan/SimAM.
"""

import torch
from torch import Tensor

from mmattn.registry import MODELS

from .base import Attention


@MODELS.register_module()
class SimAM(Attention):
    """``x * sigmoid((x - mean)**2 / (4 * (variance + e_lambda)) + 1/2)``.

    Mean and variance are each channel's own. The variance is the unbiased one; that of a single
    position counts as zero.

    Args:
        in_channels: Number of channels C of the input feature map; without effect, as the module has no parameters.
        e_lambda: Positive number that is added to the variance.
        identity_init: Start as the identity, see `Attention`.

    Raises:
        ValueError: if `in_channels` is not a positive integer or `e_lambda` is not positive.
    """

    def __init__(self, in_channels: int, e_lambda: float = 1e-4, identity_init: bool = False):
        super().__init__(in_channels, identity_init)
        if not e_lambda > 0:
            raise ValueError(f'e_lambda must be positive, not {e_lambda!r}')
        self.e_lambda = e_lambda

    def attend(self, x: Tensor) -> Tensor:
        squares = (x - x.mean((2, 3), keepdim=True)).square()
        positions = x.shape[2] * x.shape[3]
        # a tensor, as the size may be symbolic in a trace
        others = (torch.ones_like(x[:1, :1]).sum((2, 3), keepdim=True) - 1).clamp(min=1)
        # mean times n / (n - 1), as a sum over a large feature map may overflow float16
        variance = squares.mean((2, 3), keepdim=True) * (positions / others)
        energy = squares / (4 * (variance + self.e_lambda)) + 0.5
        return x * energy.to(x.dtype).sigmoid()
