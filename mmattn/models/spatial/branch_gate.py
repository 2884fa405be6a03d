"""Softmax attention over parallel branches, from one squeeze-and-excitation that they share."""

from __future__ import annotations

from torch import Tensor, nn


class BranchGate(nn.Module):
    """A softmax over the branches of a block, for each channel.

    g_i = sigmoid(W_2 relu(W_1 d_i + b_1) + b_2) for the descriptor d_i of branch i, with the same
    W and b for every branch; the weights are the softmax of the g_i over the branches. As the
    sigmoid bounds the logits, no weight reaches 0 or 1.

    Args:
        descriptor_channels: Number of channels D of a branch's descriptor.
        channels: Number of channels c of a branch.
        reduction: The hidden layer has c // reduction channels.

    Raises:
        ValueError: no hidden channel would be left.
    """

    def __init__(self, descriptor_channels: int, channels: int, reduction: int) -> None:
        super().__init__()
        self.channels = channels
        hidden = channels // reduction
        if hidden < 1:
            raise ValueError(
                f'reduction {reduction} leaves no hidden channel for branches of '
                f'{channels} channels: use at most reduction={channels}'
            )
        self.fc1 = nn.Conv2d(descriptor_channels, hidden, 1)
        self.relu = nn.ReLU(inplace=True)
        self.fc2 = nn.Conv2d(hidden, channels, 1)

    def forward(self, descriptors: Tensor) -> Tensor:
        """Descriptors (N, branches, D) to weights (N, branches * c, 1, 1)."""
        n, branches, d = descriptors.shape
        gates = self.fc2(self.relu(self.fc1(descriptors.reshape(n * branches, d, 1, 1)))).sigmoid()
        weights = gates.reshape(n, branches, self.channels).softmax(1)
        return weights.reshape(n, branches * self.channels, 1, 1)
