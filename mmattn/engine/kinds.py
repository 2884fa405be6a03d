"""The kind of a model: 'classifier', 'detector' or 'segmentor', by which the tools choose what they do with it."""

from __future__ import annotations

from typing import Literal

from torch import nn

Kind = Literal['classifier', 'detector', 'segmentor']


def kind_of(model: nn.Module) -> Kind:
    """The kind of a model.

    Args:
        model: Model of mmdet, of mmsegmentation or of mmpretrain, or one built like these.

    Returns:
        'segmentor' for semantic segmentation, a class for each pixel; 'detector' for objects with boxes or masks;
        'classifier' for anything else, such as a class for each image.
    """
    classes = {cls.__name__ for cls in type(model).__mro__}
    if 'BaseSegmentor' in classes or hasattr(model, 'decode_head'):
        return 'segmentor'
    if 'BaseDetector' in classes or any(hasattr(model, name) for name in ('rpn_head', 'roi_head', 'bbox_head')):
        return 'detector'
    return 'classifier'
