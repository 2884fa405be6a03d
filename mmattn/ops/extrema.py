"""Maximum and minimum of each channel, (N, C, H, W) -> (N, C, 1, 1).

The reference is ``amax`` and ``amin``. Their gradients compare the whole feature map with the result and count; on a
CPU pooling, which notes the positions in the forward pass, takes a third of the time for both passes. Where several
positions attain an extremum, its gradient goes to one of them instead of in equal shares to all.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .switch import takes_faster


def channel_max(x: Tensor, faster: bool | None = None) -> Tensor:
    """The maximum of each channel.

    Args:
        x: Feature map (N, C, H, W).
        faster: Overrides the switch of the faster way 'extrema', None: does not.

    Returns:
        (N, C, 1, 1).
    """
    return F.adaptive_max_pool2d(x, 1) if _takes_pooling(x, faster) else x.amax((2, 3), keepdim=True)


def channel_min(x: Tensor, faster: bool | None = None) -> Tensor:
    """The minimum of each channel; arguments and result as in `channel_max`."""
    return -F.adaptive_max_pool2d(-x, 1) if _takes_pooling(x, faster) else x.amin((2, 3), keepdim=True)


def _takes_pooling(x: Tensor, faster: bool | None) -> bool:
    return takes_faster('extrema', x, faster=faster) and torch.is_grad_enabled() and x.requires_grad
