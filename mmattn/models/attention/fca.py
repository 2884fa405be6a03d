"""Frequency Channel Attention (FCA), Qin et al., 'FcaNet', arXiv:2012.11877.

Authors' repository: cfzd/FcaNet.
"""
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmattn.registry import MODELS

from .base import ChannelWeighting, check_positive, reduced

# (vertical, horizontal) frequencies on a 7x7 map, in the paper's order by accuracy of each alone
TOP_FREQUENCIES = (
    (0, 0), (0, 1), (6, 0), (0, 5), (0, 2), (1, 0), (1, 2), (4, 0),
    (5, 0), (1, 6), (3, 0), (0, 4), (0, 6), (0, 3), (3, 5), (2, 2),
    (4, 6), (6, 3), (3, 3), (5, 3), (5, 5), (2, 1), (6, 1), (5, 2),
    (5, 4), (3, 2), (3, 1), (4, 1), (2, 3), (2, 0), (6, 5), (1, 3))


def dct_basis(frequency: int, size: int) -> Tensor:
    """The orthonormal DCT-II basis function of `frequency`, shape (size,), double precision."""
    points = torch.arange(size, dtype=torch.float64) + 0.5
    norm = math.sqrt((2 if frequency else 1) / size)
    return torch.cos(math.pi * frequency * points / size) * norm


@MODELS.register_module()
class FCA(ChannelWeighting):
    """SE whose squeeze is a cosine transform: each slice of channels has its own frequency.

    A map of another size is averaged to `dct_size` first, so any input size works. FcaNet takes 56,
    28, 14 and 7 for the four stages of a ResNet at 224 px: in our trunk, give ``attn`` as one dict
    a stage to do so. The frequencies are those of a 7x7 map, times ``dct_size // 7``.

    Args:
        in_channels: channels C of the map, divisible by `num_frequencies`.
        reduction: the hidden layer has ``C // reduction`` channels, at least one.
        dct_size: height and width of the map that is transformed, 7 or more.
        num_frequencies: how many frequencies, 1 to 32; the paper's 'top16' is 16.
        identity_init: start as the identity, see :class:`Attention`.

    Raises:
        ValueError: if a number is out of range or the channels cannot be divided.
    """

    basis: Tensor

    def __init__(self, in_channels: int, reduction: int = 16, dct_size: int = 7,
                 num_frequencies: int = 16, identity_init: bool = False):
        super().__init__(in_channels, identity_init)
        if check_positive('dct_size', dct_size) < 7:
            raise ValueError(f'dct_size must be 7 or more, not {dct_size}')
        if check_positive('num_frequencies', num_frequencies) > len(TOP_FREQUENCIES):
            raise ValueError(
                f'num_frequencies must be at most {len(TOP_FREQUENCIES)}, not {num_frequencies}')
        if in_channels % num_frequencies:
            raise ValueError('FCA needs channels divisible by num_frequencies: '
                             f'{in_channels} is not by {num_frequencies}')
        self.dct_size = dct_size
        scale = dct_size // 7
        basis = torch.stack([
            torch.outer(dct_basis(u * scale, dct_size), dct_basis(v * scale, dct_size))
            for u, v in TOP_FREQUENCIES[:num_frequencies]])
        # follows from the arguments, so it needs no place in a checkpoint
        self.register_buffer('basis', basis.to(torch.get_default_dtype()), persistent=False)
        hidden = reduced(in_channels, reduction)
        self.fc1 = nn.Linear(in_channels, hidden, bias=False)
        self.fc2 = nn.Linear(hidden, in_channels, bias=False)

    def channel_weights(self, x: Tensor) -> Tensor:
        size = (self.dct_size, self.dct_size)
        pooled = x if x.shape[2:] == size else F.adaptive_avg_pool2d(x, size)
        slices = pooled.unflatten(1, (len(self.basis), -1))  # (N, frequencies, slice, size, size)
        squeezed = torch.einsum('nfchw,fhw->nfc', slices, self.basis.to(x.dtype))
        weight = self.fc2(torch.relu(self.fc1(squeezed.flatten(1)))).sigmoid()
        return weight[:, :, None, None]
