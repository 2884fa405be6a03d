"""Squeeze-and-Excitation (SE), Hu et al., 'Squeeze-and-Excitation Networks', arXiv:1709.01507.

Authors' repository: hujie-frank/SENet. Differs from the SENet inside SDA-xNet's classification code
only in pooling the whole feature map, where that code pools a fixed window that fits one image size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmattn.registry import MODELS

from .base import ChannelWeighting, check_positive


@MODELS.register_module()
class SE(ChannelWeighting):
    """Channel attention from the mean of the feature map: ``x * sigmoid(fc2(relu(fc1(mean(x)))))``.

    Args:
        in_channels: Number of channels C of the input feature map.
        reduction: The hidden layer has ``round(C / reduction)`` channels, at least one.
        hidden_channels: Number of channels of the hidden layer, in place of `reduction`.
        bias: Whether both layers have a bias; they have in SENet, and have not in SDA-xNet's detectors.
        identity_init: Start as the identity, see `Attention`.

    Raises:
        ValueError: if a number is not a positive integer.
    """

    def __init__(
        self,
        in_channels: int,
        reduction: int = 16,
        hidden_channels: int | None = None,
        bias: bool = True,
        identity_init: bool = False,
    ):
        super().__init__(in_channels, identity_init)
        if hidden_channels is None:
            hidden_channels = max(1, round(in_channels / check_positive('reduction', reduction)))
        check_positive('hidden_channels', hidden_channels)
        # linear, not 1x1 convolutions, whose start a network's Kaiming initialisation would change
        self.fc1 = nn.Linear(in_channels, hidden_channels, bias=bias)
        self.fc2 = nn.Linear(hidden_channels, in_channels, bias=bias)

    def channel_weights(self, x: Tensor) -> Tensor:
        weight = self.fc2(torch.relu(self.fc1(x.mean((2, 3))))).sigmoid()
        return weight[:, :, None, None]
