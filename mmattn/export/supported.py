"""Which models can be exported, and as which graph; what cannot is refused by its name before any work."""

from __future__ import annotations

from typing import Any

from torch import nn

from mmattn.engine.kinds import kind_of
from mmattn.errors import UserError

# By the class that a part of a detector has to be of: another computes something else.
PARTS = {
    'FasterRCNN': dict(rpn_head='RPNHead', roi_head='StandardRoIHead'),
    'MaskRCNN': dict(rpn_head='RPNHead', roi_head='StandardRoIHead'),
    'RetinaNet': dict(bbox_head='RetinaHead'),
    'YOLOX': dict(bbox_head='YOLOXHead'),
}
# Decode heads of an EncoderDecoder.
DECODE_HEADS = (
    'FCNHead',
    'PSPHead',
    'ASPPHead',
    'UPerHead',
    'DepthwiseSeparableFCNHead',
    'DepthwiseSeparableASPPHead',
)


def network_graph(model: Any, scores: bool = False) -> nn.Module:
    """The graph of a model from prepared images on.

    Args:
        model: Classifier of mmpretrain, detector of mmdet or segmentor of mmsegmentation in eval mode, which may be
            changed.
        scores: Whether the graph of a segmentor has the scores of the pixels, too.

    Raises:
        UserError: The model, or a part of it, cannot be exported.
    """
    name = type(model).__name__
    _check_layers(model)
    if name == 'ImageClassifier':
        _expect(model, 'head', ('LinearClsHead',))
        from mmattn.export.classifier import ClassifierGraph

        return ClassifierGraph(model)
    if name == 'EncoderDecoder':
        _check_segmentor(model)
        from mmattn.export.segmentor import SegmentorGraph

        return SegmentorGraph(model, scores)
    if name not in PARTS:
        raise UserError(
            f'{name} cannot be exported; {", ".join(PARTS)} of mmdet, ImageClassifier of mmpretrain and EncoderDecoder '
            'of mmsegmentation can'
        )
    for part, kind in PARTS[name].items():
        _expect(model, part, (kind,))
    if not model.with_neck:
        raise UserError(f'{name} without a neck cannot be exported; with FPN or another neck it can')
    if name == 'RetinaNet':
        from mmattn.export.one_stage import RetinaNetGraph

        _check_head(model.bbox_head, model.bbox_head.test_cfg)
        _check_counts(model.bbox_head.test_cfg, 'nms_pre', 'max_per_img')
        if not model.bbox_head.use_sigmoid_cls:
            raise UserError('RetinaHead with softmax cannot be exported; with use_sigmoid=True of its loss_cls it can')
        return RetinaNetGraph(model)
    if name == 'YOLOX':
        from mmattn.export.one_stage import YOLOXGraph

        _check_nms(model.bbox_head.test_cfg)
        return YOLOXGraph(model)
    from mmattn.export.two_stage import TwoStageGraph

    roi = model.roi_head
    _check_head(model.rpn_head, model.rpn_head.test_cfg)
    _check_counts(model.rpn_head.test_cfg, 'nms_pre', 'max_per_img')
    _check_head(roi.bbox_head, roi.test_cfg)
    if roi.with_shared_head:
        raise UserError(f'the shared_head {type(roi.shared_head).__name__} of {name} cannot be exported')
    extractors = [roi.bbox_roi_extractor]
    if roi.with_mask:
        _expect(roi, 'mask_head', ('FCNMaskHead',))
        if not roi.test_cfg.mask_thr_binary > 0:
            raise UserError('masks with mask_thr_binary of 0 or below cannot be exported; above 0 they can (test_cfg)')
        extractors.append(roi.mask_roi_extractor)
    for extractor in extractors:
        if type(extractor).__name__ != 'SingleRoIExtractor':
            raise UserError(f'{type(extractor).__name__} cannot be exported; SingleRoIExtractor can')
        for layer in extractor.roi_layers:
            _expect_pooling(layer)
    return TwoStageGraph(model)


def task_of(model: Any) -> str:
    """What a model finds: 'classes', 'boxes', 'masks' or, a class for each pixel, 'labels'."""
    kind = kind_of(model)
    if kind != 'detector':
        return 'classes' if kind == 'classifier' else 'labels'
    return 'masks' if model.with_mask else 'boxes'


def _expect(model: Any, part: str, kinds: tuple[str, ...]) -> None:
    found = type(getattr(model, part)).__name__
    if found not in kinds:
        raise UserError(f'the {part} {found} of {type(model).__name__} cannot be exported; {", ".join(kinds)} can')


def _check_segmentor(model: Any) -> None:
    _expect(model, 'decode_head', DECODE_HEADS)
    _expect(model, 'data_preprocessor', ('SegDataPreProcessor',))
    mode = model.test_cfg.get('mode', 'whole')
    if mode != 'whole':
        raise UserError(
            f"mode='{mode}' of test_cfg of {type(model).__name__} cannot be exported; 'whole' can: add --cfg-options "
            'model.test_cfg.mode=whole; its results on large images will differ from those of your test'
        )


def _check_head(head: Any, cfg: dict) -> None:
    coder = type(head.bbox_coder).__name__
    if coder != 'DeltaXYWHBBoxCoder':
        raise UserError(f'{coder} of {type(head).__name__} cannot be exported; DeltaXYWHBBoxCoder can')
    if getattr(head.loss_cls, 'custom_cls_channels', False):
        raise UserError(
            f'{type(head).__name__} with {type(head.loss_cls).__name__} cannot be exported, as this loss computes '
            'the scores in its own way'
        )
    _check_nms(cfg)


def _expect_pooling(layer: Any) -> None:
    kind, pooled = type(layer).__name__, getattr(layer, 'pool_mode', 'avg')
    if kind != 'RoIAlign' or pooled != 'avg':
        raise UserError(f"{kind} with pool_mode='{pooled}' cannot be exported; RoIAlign with 'avg' can")


def _check_counts(cfg: dict, *names: str) -> None:
    for name in names:
        if not cfg.get(name, 0) > 0:
            raise UserError(f'{name}={cfg.get(name)} of test_cfg cannot be exported; a number above 0 can')


def _check_nms(cfg: dict) -> None:
    kind = cfg['nms'].get('type', 'nms')
    if kind != 'nms':
        raise UserError(f"'{kind}' cannot be exported, as ONNX has no such operator; nms can (test_cfg of the config)")
    for key in cfg['nms'].keys() - {'type', 'iou_threshold', 'class_agnostic', 'split_thr'}:
        raise UserError(f'nms with {key}={cfg["nms"][key]} cannot be exported; without it can (test_cfg of the config)')


def _check_layers(model: Any) -> None:
    """Refuses layers that are operators of mmcv's own, which ONNX does not have."""
    for name, layer in model.named_modules():
        home = type(layer).__module__
        if home.startswith('mmcv.ops') and type(layer).__name__ != 'RoIAlign':
            raise UserError(f'{name} is a {type(layer).__name__}, which cannot be exported: ONNX has no such operator')
