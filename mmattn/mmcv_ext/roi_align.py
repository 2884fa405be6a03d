"""RoIAlign (arXiv:1703.06870), average pooling, by torchvision.

The signatures are those by which `mmcv/ops/roi_align.py` calls the compiled operators.
"""

import torch
import torchvision  # noqa: F401  (registers torch.ops.torchvision)
from torch import Tensor

from mmattn.mmcv_ext.errors import OperatorNotAvailableError
from mmattn.mmcv_ext.precision import widen

MAX = 0


def _require_average(pool_mode: int) -> None:
    if pool_mode == MAX:
        raise OperatorNotAvailableError("roi_align with pool_mode='max'")


@torch.no_grad()
def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Pool each region of interest to a grid of fixed size.

    Args:
        input: (N, C, H, W).
        rois: (R, 5), as index of the image, x1, y1, x2, y2 in pixels of the image.
        output: (R, C, aligned_height, aligned_width), written in place.
        argmax_y: Unused in average pooling.
        argmax_x: Unused in average pooling.
        aligned_height: Rows of the grid.
        aligned_width: Columns of the grid.
        spatial_scale: Pixels of `input` per pixel of the image.
        sampling_ratio: Samples per bin and axis; 0 for as many as the bin has pixels.
        pool_mode: 1, average.
        aligned: Whether coordinates are shifted by half a pixel.

    Raises:
        OperatorNotAvailableError: If pool_mode is 0 (max).
    """
    _require_average(pool_mode)
    features, boxes = widen(input, rois)
    output.copy_(
        torch.ops.torchvision.roi_align(
            features, boxes, spatial_scale, aligned_height, aligned_width, sampling_ratio, aligned
        )
    )


@torch.no_grad()
def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Add the gradient of `roi_align_forward` to `grad_input`.

    Args:
        grad_output: (R, C, aligned_height, aligned_width).
        grad_input: (N, C, H, W), added to in place.
        (others): As in `roi_align_forward`.

    Raises:
        OperatorNotAvailableError: If pool_mode is 0 (max).
    """
    _require_average(pool_mode)
    grad, boxes = widen(grad_output, rois)
    grad_input.add_(
        torch.ops.torchvision._roi_align_backward(
            grad, boxes, spatial_scale, aligned_height, aligned_width, *grad_input.shape, sampling_ratio, aligned
        )
    )
