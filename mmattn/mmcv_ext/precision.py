"""The precision in which the operators compute."""

import torch
from torch import Tensor


def widen(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Bring tensors to their common type, and that to float32 where it is narrower.

    torchvision's CPU kernels know no 16-bit types (or not all), and under autocast torchvision
    itself computes these operators in float32.

    Args:
        *tensors: Tensors of any shapes and numeric types.

    Returns:
        The same tensors, all float32 or all float64.
    """
    double = any(tensor.dtype == torch.float64 for tensor in tensors)
    return tuple(tensor.to(torch.float64 if double else torch.float32) for tensor in tensors)
