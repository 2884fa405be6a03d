"""What every attention module shares: its contract and its identity start."""
import torch
from torch import Tensor, nn

from ..allocator import keep_freed_memory
from ..compiling import is_recording
from ..gate import Gated
from ..hooked import is_hooked
from ..layout import is_channels_last
from ..scale import scale


class Attention(Gated):
    """A module ``(N, C, H, W) -> (N, C, H, W)`` that re-weights a feature map.

    A subclass implements :meth:`attend`, whose result has its input's shape and dtype.

    With ``identity_init`` the module computes ``x + gate * (attend(x) - x)`` with one learned
    scalar ``gate`` that starts at zero, so that it may be put into a trained network without
    changing what that computes. The gate gets a gradient from the first step, the parameters
    behind it from the second.

    A map in channels_last format comes out in that format.

    A subclass whose weights differ from position to position may show them by a method
    ``attention_map(x)``: the weights, between 0 and 1, that it has for the map `x`, (N, K, H, W),
    for each of K groups of channels (one, if all channels share them), without gradients and
    without the gate.

    Args:
        in_channels: channels C of the map.
        identity_init: start as the identity. Without it the module has no gate and no key for one.

    Raises:
        ValueError: if `in_channels` is not a positive integer.
    """

    def __init__(self, in_channels: int, identity_init: bool = False):
        super().__init__(identity_init)
        self.in_channels = check_positive('in_channels', in_channels)

    def attend(self, x: Tensor) -> Tensor:
        """The attention itself, without the gate."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        keep_freed_memory(x)
        out = self.gated(x, self.attend(x))
        if is_channels_last(x):
            out = out.contiguous(memory_format=torch.channels_last)
        return out


class ChannelWeighting(Attention):
    """Attention with one weight for each channel of an image: ``x * channel_weights(x)``.

    A subclass implements :meth:`channel_weights`.
    """

    def channel_weights(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, 1, 1)."""
        raise NotImplementedError

    def weigh(self, x: Tensor, plus: Tensor | None = None) -> Tensor:
        """``x * channel_weights(x)``, or the sum of it and of `plus`, a map like `x`, in one pass."""
        return scale(x, self.channel_weights(x), plus)

    def attend(self, x: Tensor) -> Tensor:
        return self.weigh(x)


def attend_and_add(attention: nn.Module, x: Tensor, shortcut: Tensor) -> Tensor:
    """``attention(x) + shortcut``; in inference `x` may be overwritten."""
    if not _only_weighs_channels(attention) or x.dtype != shortcut.dtype:
        # Out of place: an attention may need what it returned in its backward pass.
        return attention(x) + shortcut
    if torch.is_grad_enabled() or is_recording():
        return attention.weigh(x, shortcut)
    return torch.addcmul(shortcut, x, attention.channel_weights(x).to(x.dtype), out=x)


def _only_weighs_channels(attention: nn.Module) -> bool:
    return (isinstance(attention, ChannelWeighting) and attention.gate is None and not is_hooked(attention)
            # as they are here, in its class and in itself
            and getattr(attention.forward, '__func__', None) is Attention.forward
            and getattr(attention.attend, '__func__', None) is ChannelWeighting.attend)


def largest(x: Tensor, dim: int, keepdim: bool = False) -> Tensor:
    """``x.amax(dim)``, whose gradient goes to one position only."""
    if torch.jit.is_tracing() or not (torch.is_grad_enabled() and x.requires_grad):
        return x.amax(dim, keepdim)
    # The gradient of amax goes where the map equals its maximum: nowhere, and NaN, if a map that the backward pass
    # computes again differs in its last bit.
    return x.max(dim, keepdim).values


def check_positive(name: str, value: int) -> int:
    """`value`, if it is a positive integer.

    Raises:
        ValueError: if it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f'{name} must be a positive integer, not {value!r}')
    return value


def check_odd(name: str, value: int) -> int:
    """`value`, if it is a positive odd integer (a kernel size whose padding keeps the map's size).

    Raises:
        ValueError: if it is not.
    """
    if check_positive(name, value) % 2 == 0:
        raise ValueError(f'{name} must be odd to keep the size of the map, not {value}')
    return value


def reduced(in_channels: int, reduction: int) -> int:
    """Hidden channels of an attention module: ``in_channels // reduction``, at least one.

    Raises:
        ValueError: if `reduction` is not a positive integer.
    """
    return max(1, in_channels // check_positive('reduction', reduction))
