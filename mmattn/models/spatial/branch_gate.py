"""Softmax attention over parallel branches, from one squeeze-and-excitation that they share."""
from __future__ import annotations

from torch import Tensor, nn

from ..recompute import recomputable
from ..scale import scale


class BranchGate(nn.Module):
    """Weighs the branches of a block against each other, for each channel.

    g_i = sigmoid(W_2 relu(W_1 d_i + b_1) + b_2) for the descriptor d_i of branch i, with the same
    W and b for every branch; the weights are the softmax of the g_i over the branches. As the
    sigmoid bounds the logits, no weight reaches 0 or 1.

    Args:
        descriptor_channels: D, of a branch's descriptor.
        channels: c, of a branch.
        reduction: the hidden layer has c // reduction channels.

    Raises:
        ValueError: no hidden channel would be left.
    """

    def __init__(self, descriptor_channels: int, channels: int, reduction: int) -> None:
        super().__init__()
        hidden = channels // reduction
        if hidden < 1:
            raise ValueError(f'reduction {reduction} leaves no hidden channel for branches of '
                             f'{channels} channels: use at most reduction={channels}')
        self.fc1 = nn.Conv2d(descriptor_channels, hidden, 1)
        self.relu = nn.ReLU(inplace=True)
        self.fc2 = nn.Conv2d(hidden, channels, 1)
        # What a folded norm does to the weighed maps, for each of their channels.
        self.register_buffer('norm_scale', None, persistent=False)
        self.register_buffer('norm_shift', None, persistent=False)

    def forward(self, descriptors: Tensor) -> Tensor:
        """Descriptors (N, branches, D) to weights (N, branches * c, 1, 1)."""
        n, branches, d = descriptors.shape
        gates = self.fc2(self.relu(self.fc1(descriptors.reshape(n * branches, d, 1, 1)))).sigmoid()
        weights = gates.view(n, branches, gates.shape[1]).softmax(1)
        return weights.view(n, branches * gates.shape[1], 1, 1)

    def weigh(self, maps: Tensor, descriptors: Tensor) -> Tensor:
        """The maps of all branches, (N, branches * c, H, W), times the weights from descriptors (N, branches, D)."""
        weights = self(descriptors)
        if self.norm_scale is not None:
            return scale(maps, weights * self.norm_scale, self.norm_shift.to(maps.dtype))
        return recomputable(scale(maps, weights), scale, maps, weights)

    def fold(self, norm_scale: Tensor, norm_shift: Tensor) -> None:
        """Has `weigh` apply the norm ``y * norm_scale + norm_shift`` too; both (1, branches * c, 1, 1)."""
        self.norm_scale, self.norm_shift = norm_scale, norm_shift
