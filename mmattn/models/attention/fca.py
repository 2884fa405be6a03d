"""Frequency Channel Attention (FCA), Qin et al., 'FcaNet', arXiv:2012.11879.

Authors' repository: cfzd/FcaNet.
"""

import math

import torch
from torch import Tensor, nn

from mmattn.registry import MODELS

from .base import ChannelWeighting, check_positive, reduced

# (vertical, horizontal) frequencies on a 7x7 feature map, in the paper's order by accuracy of each alone
TOP_FREQUENCIES = (
    (0, 0),
    (0, 1),
    (6, 0),
    (0, 5),
    (0, 2),
    (1, 0),
    (1, 2),
    (4, 0),
    (5, 0),
    (1, 6),
    (3, 0),
    (0, 4),
    (0, 6),
    (0, 3),
    (3, 5),
    (2, 2),
    (4, 6),
    (6, 3),
    (3, 3),
    (5, 3),
    (5, 5),
    (2, 1),
    (6, 1),
    (5, 2),
    (5, 4),
    (3, 2),
    (3, 1),
    (4, 1),
    (2, 3),
    (2, 0),
    (6, 5),
    (1, 3),
)


def dct_basis(frequency: int, size: int) -> Tensor:
    """The orthonormal DCT-II basis function of `frequency`, shape (size,), double precision."""
    points = torch.arange(size, dtype=torch.float64) + 0.5
    norm = math.sqrt((2 if frequency else 1) / size)
    return torch.cos(math.pi * frequency * points / size) * norm


def adaptive_pooling(ones: Tensor, size: int) -> Tensor:
    """Adaptive average pooling of a row of values to `size` means, as a matrix (size, length).

    Args:
        ones: As many ones as the row has values, (length,), of the type of the matrix.
        size: Number of means. Mean i is over the positions from floor(i * length / size) to
            ceil((i + 1) * length / size), exclusive, as in ``F.adaptive_avg_pool1d``.
    """
    # counted by sums, as torch.fx cannot trace an arange of this length, nor on this device in older releases
    position = ones.float().cumsum(0) - 1
    cell = ones.new_ones(size, dtype=torch.float32).cumsum(0)[:, None] - 1
    first = torch.div(cell * ones.shape[0], size, rounding_mode='floor')
    end = torch.div((cell + 1) * ones.shape[0] + size - 1, size, rounding_mode='floor')
    inside = ((position >= first) & (position < end)).to(ones.dtype)
    return inside / inside.sum(1, keepdim=True)


@MODELS.register_module()
class FCA(ChannelWeighting):
    """SE whose squeeze is a cosine transform: each slice of channels has its own frequency.

    A feature map of another size is averaged to `dct_size` first, so any input size works. FcaNet takes 56,
    28, 14 and 7 for the four stages of a ResNet at 224 px: in our trunk, give ``attn`` as one dict
    a stage to do so. The frequencies are those of a 7x7 feature map, times ``dct_size // 7``.

    Args:
        in_channels: Number of channels C of the input feature map, divisible by `num_frequencies`.
        reduction: The hidden layer has ``C // reduction`` channels, at least one.
        dct_size: Height and width of the feature map that is transformed, 7 or more.
        num_frequencies: Number of frequencies, 1 to 32; the paper's 'top16' is 16.
        identity_init: Start as the identity, see `Attention`.

    Raises:
        ValueError: if a number is out of range or the channels cannot be divided.
    """

    basis: Tensor

    def __init__(
        self,
        in_channels: int,
        reduction: int = 16,
        dct_size: int = 7,
        num_frequencies: int = 16,
        identity_init: bool = False,
    ):
        super().__init__(in_channels, identity_init)
        if check_positive('dct_size', dct_size) < 7:
            raise ValueError(f'dct_size must be 7 or more, not {dct_size}')
        if check_positive('num_frequencies', num_frequencies) > len(TOP_FREQUENCIES):
            raise ValueError(f'num_frequencies must be at most {len(TOP_FREQUENCIES)}, not {num_frequencies}')
        if in_channels % num_frequencies:
            raise ValueError(
                f'FCA needs channels divisible by num_frequencies: {in_channels} is not by {num_frequencies}'
            )
        self.dct_size, self.num_frequencies = dct_size, num_frequencies
        scale = dct_size // 7
        basis = torch.stack(
            [
                torch.outer(dct_basis(u * scale, dct_size), dct_basis(v * scale, dct_size))
                for u, v in TOP_FREQUENCIES[:num_frequencies]
            ]
        )
        # follows from the arguments, so it needs no place in a checkpoint
        self.register_buffer('basis', basis.to(torch.get_default_dtype()), persistent=False)
        hidden = reduced(in_channels, reduction)
        self.fc1 = nn.Linear(in_channels, hidden, bias=False)
        self.fc2 = nn.Linear(hidden, in_channels, bias=False)

    def basis_for(self, x: Tensor) -> Tensor:
        """The basis functions after an adaptive average pooling to `dct_size`, as weights of the pooling's input.

        Both are linear, so the transform of a pooled feature map is one weighted sum over the feature map itself.

        Args:
            x: The feature map (N, C, H, W); only its size and device count.

        Returns:
            The weight of each position for each frequency, (num_frequencies, H, W).
        """
        rows = adaptive_pooling(x.new_ones(x.shape[2], dtype=self.basis.dtype), self.dct_size)
        columns = adaptive_pooling(x.new_ones(x.shape[3], dtype=self.basis.dtype), self.dct_size)
        return rows.t() @ self.basis @ columns

    def channel_weights(self, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        slices = x.reshape(n, self.num_frequencies, self.in_channels // self.num_frequencies, height, width)
        squeezed = torch.einsum('nfchw,fhw->nfc', slices, self.basis_for(x).to(x.dtype))
        weight = self.fc2(torch.relu(self.fc1(squeezed.flatten(1)))).sigmoid()
        return weight[:, :, None, None]
