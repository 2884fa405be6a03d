"""Replacement for `mmcv._ext` where mmcv has no compiled extension (see `mmattn.mmcv_ext`).

mmcv asks for each operator by name when `mmcv.ops` is imported, long before any is called.
So every name is answered, and an operator that is not here raises when it is called.
"""

import logging
import multiprocessing
import os
from collections.abc import Callable

from mmattn.mmcv_ext.compiler import get_compiler_version, get_compiling_cuda_version
from mmattn.mmcv_ext.deform_conv import (
    deform_conv_backward_input,
    deform_conv_backward_parameters,
    deform_conv_forward,
    modulated_deform_conv_backward,
    modulated_deform_conv_forward,
)
from mmattn.mmcv_ext.errors import OperatorNotAvailableError
from mmattn.mmcv_ext.focal_loss import (
    sigmoid_focal_loss_backward,
    sigmoid_focal_loss_forward,
    softmax_focal_loss_backward,
    softmax_focal_loss_forward,
)
from mmattn.mmcv_ext.nms import nms, softnms
from mmattn.mmcv_ext.roi_align import roi_align_backward, roi_align_forward
from mmattn.mmcv_ext.roi_pool import roi_pool_backward, roi_pool_forward

__all__ = [
    'deform_conv_backward_input',
    'deform_conv_backward_parameters',
    'deform_conv_forward',
    'get_compiler_version',
    'get_compiling_cuda_version',
    'modulated_deform_conv_backward',
    'modulated_deform_conv_forward',
    'nms',
    'roi_align_backward',
    'roi_align_forward',
    'roi_pool_backward',
    'roi_pool_forward',
    'sigmoid_focal_loss_backward',
    'sigmoid_focal_loss_forward',
    'softmax_focal_loss_backward',
    'softmax_focal_loss_forward',
    'softnms',
]

if os.environ.get('LOCAL_RANK', '0') == '0' and multiprocessing.parent_process() is None:
    logging.getLogger('mmattn').warning(
        'mmcv has no compiled operators: those of mmattn.mmcv_ext replace them (nms, RoIAlign, deformable '
        'convolution, …); any other says how to compile mmcv when it is called'
    )


def __getattr__(name: str) -> Callable:
    # Python and its tools probe modules for names with leading underscores; no operator has one.
    if name.startswith('_'):
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')

    def not_available(*args, **kwargs):
        raise OperatorNotAvailableError(name)

    not_available.__name__ = name
    return not_available
