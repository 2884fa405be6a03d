"""Average pooling of feature maps of any size to a grid of fixed size, in operators that ONNX has.

The exporters write ``nn.AdaptiveAvgPool2d`` for the one size that a network is traced with, unless the grid has a
single cell.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from mmattn.models.attention.fca import adaptive_pooling


class GridPooling(nn.Module):
    """What ``nn.AdaptiveAvgPool2d`` computes, as two products of matrices: (N, C, H, W) -> (N, C, h, w).

    Args:
        height: Number of rows of the grid.
        width: Number of columns of the grid.
    """

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def forward(self, x: Tensor) -> Tensor:
        rows = adaptive_pooling(x.new_ones(x.shape[2]), self.height)
        columns = adaptive_pooling(x.new_ones(x.shape[3]), self.width)
        return rows @ (x @ columns.t())


def with_grid_pooling(module: nn.Module) -> None:
    """Replaces the adaptive average pooling within a module.

    Args:
        module: Module, which is changed.
    """
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.AdaptiveAvgPool2d):
                size: Any = child.output_size
                height, width = (size, size) if isinstance(size, int) else size
                if (height, width) != (1, 1) and None not in (height, width):
                    setattr(parent, name, GridPooling(height, width))
