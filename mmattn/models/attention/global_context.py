"""Global Context block (GC), Cao et al., 'GCNet', arXiv:1904.11492.

Authors' repository: xvjiarui/GCNet. Attention pooling and addition on the channels ('att',
'channel_add'), the paper's best and mm's default. Differs from mmcv's ContextBlock only in holding
the layers on the pooled vector as linear layers.
"""

import torch
from torch import Tensor, nn

from mmattn.registry import MODELS

from .base import Attention, reduced


@MODELS.register_module(name='GC')
class GlobalContext(Attention):
    """``x + fc2(relu(norm(fc1(context))))``, one vector for all positions.

    ``context`` is the mean of x over all positions, weighted by a softmax. The last layer starts at
    zero, so the block starts as the identity in any case. With `identity_init` that layer starts
    like any other instead: behind a gate that is zero, a layer that is zero would never move.

    Args:
        in_channels: Number of channels C of the input feature map.
        reduction: The hidden layer has ``C // reduction`` channels, at least one.
        identity_init: start as the identity by a gate, see `Attention`.

    Raises:
        ValueError: if a number is not a positive integer.
    """

    def __init__(self, in_channels: int, reduction: int = 16, identity_init: bool = False):
        super().__init__(in_channels, identity_init)
        hidden = reduced(in_channels, reduction)
        self.mask = nn.Conv2d(in_channels, 1, 1)
        self.fc1 = nn.Linear(in_channels, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.fc2 = nn.Linear(hidden, in_channels)
        self.init_weights()

    def init_weights(self) -> None:
        """The authors' start: Kaiming for the mask, zero for the last layer (without a gate)."""
        nn.init.kaiming_normal_(self.mask.weight, mode='fan_in', nonlinearity='relu')
        nn.init.zeros_(self.mask.get_parameter('bias'))
        if self.gate is None:
            nn.init.zeros_(self.fc2.weight)
            nn.init.zeros_(self.fc2.bias)

    def attend(self, x: Tensor) -> Tensor:
        mask = self.mask(x).flatten(2).softmax(2)  # (N, 1, HW)
        context = torch.einsum('ncp,nop->nc', x.flatten(2), mask.to(x.dtype))
        added = self.fc2(torch.relu(self.norm(self.fc1(context))))
        return x + added.to(x.dtype)[:, :, None, None]
