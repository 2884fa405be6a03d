"""What cannot be exported is refused by the name of its layer, part or step, before any work."""

from __future__ import annotations

import pytest

pytest.importorskip('mmdet')
pytest.importorskip('mmpretrain')

import torch  # noqa: E402
from mmengine.config import Config, ConfigDict  # noqa: E402
from mmengine.registry import MODELS, DefaultScope  # noqa: E402
from small_models import shrink  # noqa: E402
from small_segmentors import head, segmentor  # noqa: E402

from mmattn.engine.launch import register_modules  # noqa: E402
from mmattn.engine.quiet import quiet  # noqa: E402
from mmattn.engine.trained import Trained  # noqa: E402
from mmattn.errors import UserError  # noqa: E402
from mmattn.export.parts import parts_of  # noqa: E402

LOAD, PACK = dict(type='LoadImageFromFile'), dict(type='PackDetInputs')
RESIZE = dict(type='Resize', scale=(128, 96), keep_ratio=True)
PACK_CLASSES, CROP = dict(type='PackInputs'), dict(type='CenterCrop', crop_size=32)
CLASSIFIER = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet', depth=50, base_channels=16, num_stages=4, out_indices=(3,)),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', in_channels=512, num_classes=3),
)


def detector(base, pipeline=(LOAD, RESIZE, PACK), **options):
    """A config of a model of mmdet."""
    cfg = Config.fromstring(f"_base_ = 'mmdet::_base_/models/{base}.py'", '.py')
    cfg = Config(
        dict(cfg.to_dict(), default_scope='mmdet', test_dataloader=dict(dataset=dict(pipeline=list(pipeline)))),
        cfg_text=' ',
        filename='mine.py',
    )
    cfg.model.backbone.init_cfg = None
    cfg.merge_from_dict(options)
    return cfg


def classifier(pipeline=(LOAD, CROP, PACK_CLASSES), **options):
    cfg = Config(
        dict(
            default_scope='mmpretrain',
            model=CLASSIFIER,
            test_dataloader=dict(dataset=dict(pipeline=[dict(one) for one in pipeline])),
        ),
        cfg_text=' ',
        filename='mine.py',
    )
    cfg.merge_from_dict(options)
    return cfg


@pytest.fixture
def refused(monkeypatch):
    """``refused(cfg)``: the message with which the export of an untrained model of a config is refused."""

    def forbidden(*args, **kwargs):
        raise AssertionError('exported something before it refused')

    monkeypatch.setattr(torch.export, 'export', forbidden)
    monkeypatch.setattr(torch.onnx, 'export', forbidden)

    def of(cfg, **options):
        register_modules(cfg)
        with quiet(), DefaultScope.overwrite_default_scope(cfg.default_scope):
            model = MODELS.build(ConfigDict(cfg.model)).eval()
            with pytest.raises(UserError) as error:
                parts_of(cfg, Trained(model, None), 'weights.pth', **options)
        assert '\n' not in str(error.value)
        return str(error.value)

    return of


def small(cfg):
    register_modules(cfg)
    shrink(cfg)
    return cfg


FASTER, MASK, RETINA = 'faster-rcnn_r50_fpn', 'mask-rcnn_r50_fpn', 'retinanet_r50_fpn'
SECOND = (False, True, False, False)  # of the stages
BY_PILLOW = dict(type='ResizeEdge', scale=64, backend='pillow')
DCN = dict(type='DCNv2', deform_groups=1, fallback_on_stride=False)
REFUSED = {
    'Cascade R-CNN': (lambda: detector('cascade-rcnn_r50_fpn'), ('CascadeRCNN cannot', 'FasterRCNN')),
    'the head of Cascade R-CNN': (
        lambda: detector('cascade-rcnn_r50_fpn', **{'model.type': 'FasterRCNN'}),
        ('roi_head CascadeRoIHead of FasterRCNN', 'StandardRoIHead can'),
    ),
    'soft_nms': (
        lambda: small(detector(FASTER, **{'model.test_cfg.rcnn.nms.type': 'soft_nms'})),
        ('soft_nms', 'ONNX has no such operator'),
    ),
    'soft_nms of a one-stage detector': (
        lambda: small(detector(RETINA, **{'model.test_cfg.nms.type': 'soft_nms'})),
        ('soft_nms',),
    ),
    'deformable convolutions': (
        lambda: detector(FASTER, **{'model.backbone.dcn': DCN, 'model.backbone.stage_with_dcn': SECOND}),
        ('backbone.layer2.0.conv2', 'ModulatedDeformConv2dPack'),
    ),
    'an unsupported kind of detector': (
        lambda: small(detector(FASTER, **{'model.type': 'TwoStageDetector'})),
        ('TwoStageDetector', 'FasterRCNN'),
    ),
    'another bbox coder': (
        lambda: small(detector(RETINA, **{'model.bbox_head.bbox_coder.type': 'LegacyDeltaXYWHBBoxCoder'})),
        ('LegacyDeltaXYWHBBoxCoder of RetinaHead',),
    ),
    'another RPN coder': (
        lambda: small(detector(FASTER, **{'model.rpn_head.bbox_coder.type': 'LegacyDeltaXYWHBBoxCoder'})),
        ('LegacyDeltaXYWHBBoxCoder of RPNHead',),
    ),
    'another RPN': (
        lambda: small(detector(FASTER, **{'model.rpn_head.type': 'EmbeddingRPNHead'})),
        ('rpn_head EmbeddingRPNHead', 'RPNHead can'),
    ),
    'another one-stage head': (
        lambda: small(detector(RETINA, **{'model.bbox_head.type': 'FreeAnchorRetinaHead'})),
        ('bbox_head FreeAnchorRetinaHead', 'RetinaHead can'),
    ),
    'another mask head': (
        lambda: small(detector(MASK, **{'model.roi_head.mask_head.type': 'HTCMaskHead'})),
        ('mask_head HTCMaskHead',),
    ),
    'another extractor': (
        lambda: small(detector(FASTER, **{'model.roi_head.bbox_roi_extractor.type': 'GenericRoIExtractor'})),
        ('GenericRoIExtractor', 'SingleRoIExtractor can'),
    ),
    'a loss with its own scores': (
        lambda: small(detector(FASTER, **{'model.roi_head.bbox_head.loss_cls': SEESAW})),
        ('SeesawLoss',),
    ),
    'pooling of the largest': (
        lambda: small(detector(FASTER, **{'model.roi_head.bbox_roi_extractor.roi_layer': dict(MAX_POOLING)})),
        ("RoIAlign with pool_mode='max'",),
    ),
    'softmax in RetinaNet': (
        lambda: small(detector(RETINA, **{'model.bbox_head.loss_cls': dict(type='CrossEntropyLoss', _delete_=True)})),
        ('RetinaHead with softmax',),
    ),
    'a limit inside the suppression': (
        lambda: small(detector(RETINA, **{'model.test_cfg.nms.max_num': 7})),
        ('nms with max_num=7',),
    ),
    'all boxes of a level': (lambda: small(detector(RETINA, **{'model.test_cfg.nms_pre': -1})), ('nms_pre=-1',)),
    'masks of probabilities': (
        lambda: small(detector(MASK, **{'model.test_cfg.rcnn.mask_thr_binary': -1})),
        ('mask_thr_binary',),
    ),
    'no neck': (lambda: detector('faster-rcnn_r50-caffe-c4'), ('neck',)),
    'another head of a classifier': (
        lambda: classifier(**{'model.head': dict(type='LinearClsHead', _delete_=True) | MULTI_LABEL}),
        ('head MultiLabelLinearClsHead', 'LinearClsHead can'),
    ),
    'deformable convolutions of a classifier': (
        lambda: classifier(**{'model.backbone': dict(mmdet_backbone(), dcn=DCN, stage_with_dcn=SECOND)}),
        ('backbone.layer2.0.conv2', 'ModulatedDeformConv2dPack'),
    ),
    'a step of a detector': (
        lambda: small(detector(FASTER, [LOAD, dict(type='FixShapeResize', width=64, height=64), PACK])),
        ('FixShapeResize', 'mine.py', '--no-resize'),
    ),
    'another interpolation': (
        lambda: small(detector(FASTER, [LOAD, dict(RESIZE, interpolation='bicubic'), PACK])),
        ("Resize with interpolation='bicubic'", '--no-resize'),
    ),
    'a step beside one of Pillow': (
        lambda: classifier([LOAD, BY_PILLOW, dict(type='Pad', size=(80, 80)), PACK_CLASSES]),
        ('step Pad',),
    ),
    'random steps': (
        lambda: classifier([LOAD, dict(type='RandomResizedCrop', scale=32), PACK_CLASSES]),
        ('step RandomResizedCrop',),
    ),
    'grey images': (
        lambda: classifier([dict(LOAD, color_type='grayscale'), CROP, PACK_CLASSES]),
        ("color_type='grayscale'",),
    ),
    'images of fractions': (lambda: classifier([dict(LOAD, to_float32=True), CROP, PACK_CLASSES]), ('to_float32',)),
}  # fmt: skip
SEESAW = dict(type='SeesawLoss', p=0.8, q=2.0, num_classes=80, loss_weight=1.0, _delete_=True)
MAX_POOLING = dict(type='RoIAlign', output_size=7, sampling_ratio=0, pool_mode='max')
MULTI_LABEL = dict(type='MultiLabelLinearClsHead', in_channels=512, num_classes=3)


def mmdet_backbone():
    return dict(type='mmdet.ResNet', depth=50, base_channels=16, out_indices=(3,), norm_eval=False, _delete_=True)


@pytest.mark.parametrize('name', REFUSED)
def test_model_that_cannot_be_exported_is_refused_by_name_before_any_work(name, refused):
    make, words = REFUSED[name]
    message = refused(make())
    assert all(word in message for word in words), message


def test_step_that_cannot_be_exported_is_no_matter_without_resizing(monkeypatch):
    cfg = classifier([LOAD, dict(type='RandomResizedCrop', scale=32), PACK_CLASSES])
    register_modules(cfg)
    with quiet(), DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(ConfigDict(cfg.model)).eval()
        assert parts_of(cfg, Trained(model, None), 'weights.pth', resized=False).info['resized'] is False


def cascade():
    first, second = head('FCNHead'), head('FCNHead')
    return segmentor([first, second], type='CascadeEncoderDecoder', num_stages=2)


SLIDE = dict(mode='slide', crop_size=(64, 64), stride=(32, 32))
SEGMENTORS = {
    'windows': (lambda: segmentor(head('FCNHead'), test_cfg=SLIDE), ("mode='slide'", 'model.test_cfg.mode=whole')),
    'another decode head': (
        lambda: segmentor(head('GCHead')),
        ('decode_head GCHead of EncoderDecoder', 'UPerHead'),
    ),
    'a cascade': (cascade, ('CascadeEncoderDecoder cannot', 'EncoderDecoder of mmsegmentation')),
    'a step': (
        lambda: segmentor(head('FCNHead'), pipeline=[LOAD, dict(type='ResizeToMultiple'), dict(type='PackSegInputs')]),
        ('step ResizeToMultiple', '--no-resize'),
    ),
}


@pytest.mark.parametrize('name', SEGMENTORS)
def test_segmentor_that_cannot_be_exported_is_refused_by_name_before_any_work(name, refused):
    pytest.importorskip('mmseg')
    make, words = SEGMENTORS[name]
    message = refused(make())
    assert all(word in message for word in words), message


def test_scores_of_pixels_are_refused_of_what_is_no_segmentor(refused):
    message = refused(classifier(), scores=True)
    assert message == 'ImageClassifier is no segmentor, which --scores is for; leave it out'
