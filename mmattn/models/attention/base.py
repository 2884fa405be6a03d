"""Base class of the attention modules: their contract and their identity start."""

from torch import Tensor

from ..gate import Gated


class Attention(Gated):
    """A module ``(N, C, H, W) -> (N, C, H, W)`` that re-weights a feature map.

    A subclass implements `attend`, whose result has its input's shape and dtype. A residual block adds to the
    result in place, so it must be neither the input nor what an operation like sigmoid or ReLU needs for its gradient.

    With ``identity_init`` the module computes ``x + gate * (attend(x) - x)`` with one learned
    scalar ``gate`` that starts at zero, so that it may be put into a trained network without
    changing what that computes. The gate gets a gradient from the first step, the parameters
    behind it from the second.

    A subclass whose weights differ from position to position may show them by a method
    ``attention_map(x)``: the weights, between 0 and 1, that it has for the feature map `x`,
    (N, K, H, W), for each of K groups of channels (one, if all channels share them), without
    gradients and without the gate.

    Args:
        in_channels: Number of channels C of the input feature map.
        identity_init: Start as the identity. Without it the module has no gate and no key for one.

    Raises:
        ValueError: if `in_channels` is not a positive integer.
    """

    def __init__(self, in_channels: int, identity_init: bool = False):
        super().__init__(identity_init)
        self.in_channels = check_positive('in_channels', in_channels)

    def attend(self, x: Tensor) -> Tensor:
        """The attention itself, without the gate: (N, C, H, W) -> (N, C, H, W)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return self.gated(x, self.attend(x))


class ChannelWeighting(Attention):
    """Attention with one weight for each channel of an image: ``x * channel_weights(x)``.

    A subclass implements `channel_weights`.
    """

    def channel_weights(self, x: Tensor) -> Tensor:
        """The weights: (N, C, H, W) -> (N, C, 1, 1)."""
        raise NotImplementedError

    def attend(self, x: Tensor) -> Tensor:
        return x * self.channel_weights(x).to(x.dtype)  # autocast computes a softmax in float32


def check_positive(name: str, value: int) -> int:
    """`value`, if it is a positive integer.

    Raises:
        ValueError: if it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f'{name} must be a positive integer, not {value!r}')
    return value


def check_odd(name: str, value: int) -> int:
    """`value`, if it is a positive odd integer (a kernel size whose padding keeps the size of a feature map).

    Raises:
        ValueError: if it is not.
    """
    if check_positive(name, value) % 2 == 0:
        raise ValueError(f'{name} must be odd to keep the size of the feature map, not {value}')
    return value


def reduced(in_channels: int, reduction: int) -> int:
    """Hidden channels of an attention module: ``in_channels // reduction``, at least one.

    Raises:
        ValueError: if `reduction` is not a positive integer.
    """
    return max(1, in_channels // check_positive('reduction', reduction))
