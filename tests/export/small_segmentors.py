"""Segmentors of mmsegmentation for exports, with a block a stage and few channels, and their data of the demo."""

from __future__ import annotations

from commands import ROOT
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS, DefaultScope
from small_models import awaken

from mmattn.engine.launch import register_modules
from mmattn.engine.quiet import quiet

NUCLEI = ROOT / 'demo' / 'nuclei_mini'
LOAD, ANNOTATIONS, PACK = dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')
RESIZE = dict(type='Resize', scale=(96, 64), keep_ratio=True)
# Channels of the backbone's stages.
CHANNELS = [32, 64, 128, 256]


def head(kind: str, **options) -> dict:
    """The settings of a decode head.

    Args:
        kind: Its type.
        options: More arguments.
    """
    by_kind = dict(
        UPerHead=dict(in_channels=CHANNELS, in_index=[0, 1, 2, 3]),
        DepthwiseSeparableASPPHead=dict(dilations=(1, 2, 3), c1_in_channels=CHANNELS[0], c1_channels=4),
        ASPPHead=dict(dilations=(1, 2)),
    )
    settings = dict(type=kind, in_channels=CHANNELS[3], in_index=3, channels=8, num_classes=3, dropout_ratio=0.1)
    return settings | by_kind.get(kind, {}) | options


def segmentor(
    decode_head: dict, padding: dict | None = None, pipeline=(LOAD, RESIZE, ANNOTATIONS, PACK), **options
) -> Config:
    """A config of an EncoderDecoder that is validated on the nuclei of the demo.

    Args:
        decode_head: Its decode head.
        padding: How images are padded before the network.
        pipeline: The test pipeline.
        options: More settings of the model.
    """
    dataset = dict(
        type='BaseSegDataset',
        data_root=str(NUCLEI),
        data_prefix=dict(img_path='images', seg_map_path='labels'),
        ann_file='val.txt',
        img_suffix='.png',
        seg_map_suffix='.png',
        metainfo=dict(classes=('background', 'nucleus', 'dust')),
        test_mode=True,
        pipeline=[dict(step) for step in pipeline],
    )
    loader = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False), dataset=dataset)
    evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
    model = dict(
        type='EncoderDecoder',
        data_preprocessor=dict(
            type='SegDataPreProcessor',
            mean=[123.675, 116.28, 103.53],
            std=[58.395, 57.12, 57.375],
            bgr_to_rgb=True,
            pad_val=0.5,
            size=(64, 64),
            test_cfg=padding,
        ),
        backbone=dict(type='mmattn.SDAResNet', depth=None, stage_blocks=(1, 1, 1, 1), base_channels=8),
        decode_head=decode_head,
        test_cfg=dict(mode='whole'),
    )
    return Config(
        dict(
            default_scope='mmseg',
            model=model | options,
            val_dataloader=loader,
            test_dataloader=loader,
            val_evaluator=evaluator,
            test_evaluator=evaluator,
        ),
        cfg_text=' ',
        filename='mine.py',
    )


def built(cfg: Config):
    """The model of a config in eval mode, with weights that tell images apart."""
    register_modules(cfg)
    with quiet(), DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(ConfigDict(cfg.model)).eval()
        model.init_weights()
    awaken(model)
    return model
