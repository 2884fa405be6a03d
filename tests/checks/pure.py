"""Configs of pure Python for tests: types are classes, and there is no default scope."""

from __future__ import annotations

from pathlib import Path

from setups import write_coco, write_folders

DETECTOR = """
from mmengine.config import read_base
with read_base():
    from .data import *
from mmcv.transforms import LoadImageFromFile
from mmdet.models import RetinaNet, DetDataPreprocessor, FPN, RetinaHead, FocalLoss, L1Loss
from mmdet.models.task_modules import AnchorGenerator, DeltaXYWHBBoxCoder, MaxIoUAssigner, PseudoSampler
from mmdet.visualization import DetLocalVisualizer
from mmdet.engine.hooks import DetVisualizationHook
from mmengine.optim import OptimWrapper
from mmengine.runner import EpochBasedTrainLoop, TestLoop, ValLoop
from mmengine.visualization import LocalVisBackend
from torch.nn import GroupNorm
from torch.optim import SGD
from mmattn.models.backbones import AttnResNet

model = dict(
    type=RetinaNet, data_preprocessor=dict(type=DetDataPreprocessor, pad_size_divisor=32),
    backbone=dict(type=AttnResNet, depth=None, stage_blocks=(1, 1, 1, 1), base_channels=8,
                  norm_cfg=dict(type='GN', num_groups=2)),
    neck=dict(type=FPN, in_channels=[32, 64, 128, 256], out_channels=16, num_outs=5),
    bbox_head=dict(
        type=RetinaHead, num_classes=2, in_channels=16, stacked_convs=1, feat_channels=16,
        anchor_generator=dict(type=AnchorGenerator, octave_base_scale=4, scales_per_octave=3, ratios=[0.5, 1.0, 2.0],
                              strides=[4, 8, 16, 32, 64]),
        bbox_coder=dict(type=DeltaXYWHBBoxCoder), loss_cls=dict(type=FocalLoss), loss_bbox=dict(type=L1Loss)),
    train_cfg=dict(assigner=dict(type=MaxIoUAssigner, pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0),
                   sampler=dict(type=PseudoSampler), allowed_border=-1, pos_weight=-1),
    test_cfg=dict(nms_pre=100, min_bbox_size=0, score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5), max_per_img=5))
train_cfg = dict(type=EpochBasedTrainLoop, max_epochs=1)
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=SGD, lr=0.01))
visualizer = dict(type=DetLocalVisualizer, name='visualizer', vis_backends=[dict(type=LocalVisBackend)])
default_hooks = dict(visualization=dict(type=DetVisualizationHook))
default_scope = None
"""
DETECTOR_DATA = """
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets import CocoDataset
from mmdet.datasets.transforms import LoadAnnotations, PackDetInputs, Resize
from mmdet.evaluation import CocoMetric
from mmengine.dataset import DefaultSampler

pipeline = [dict(type=LoadImageFromFile), dict(type=LoadAnnotations, with_bbox=True),
            dict(type=Resize, scale=(64, 64), keep_ratio=True), dict(type=PackDetInputs)]
data = dict(type=CocoDataset, data_root={folder!r}, metainfo=dict(classes=('round', 'square')), pipeline=pipeline)
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type=DefaultSampler, shuffle=True),
    dataset=dict(**data, ann_file='train.json', data_prefix=dict(img='train/')))
val_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type=DefaultSampler, shuffle=False),
    dataset=dict(**data, ann_file='val.json', data_prefix=dict(img='val/'), test_mode=True))
val_evaluator = dict(type=CocoMetric, ann_file={folder!r} + '/val.json')
test_dataloader = val_dataloader
test_evaluator = val_evaluator
"""
CLASSIFIER = """
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import DefaultSampler, default_collate
from mmengine.optim import OptimWrapper
from mmpretrain.datasets import CustomDataset, PackInputs
from mmpretrain.evaluation import Accuracy
from mmpretrain.models import ClsDataPreprocessor, CrossEntropyLoss, GlobalAveragePooling
from mmpretrain.models import ImageClassifier, LinearClsHead
from mmpretrain.visualization import UniversalVisualizer
from torch.optim import SGD
from mmattn.models.backbones import AttnResNet

model = dict(
    type=ImageClassifier, data_preprocessor=dict(type=ClsDataPreprocessor, num_classes=2),
    backbone=dict(type=AttnResNet, depth=None, stage_blocks=(1, 1, 1, 1), base_channels=8, out_indices=(3, ),
                  norm_cfg=dict(type='GN', num_groups=2)),
    neck=dict(type=GlobalAveragePooling),
    head=dict(type=LinearClsHead, num_classes=2, in_channels=256, loss=dict(type=CrossEntropyLoss)))
loader = dict(batch_size=2, num_workers=0, sampler=dict(type=DefaultSampler, shuffle=False))
data = dict(type=CustomDataset, data_root={folder!r}, pipeline=[dict(type=LoadImageFromFile), dict(type=PackInputs)])
train_dataloader = dict(**loader, dataset=dict(**data, data_prefix='train'))
val_dataloader = dict(**loader, dataset=dict(**data, data_prefix='val', test_mode=True))
val_evaluator = dict(type=Accuracy, topk=(1, ))
test_dataloader = val_dataloader
test_evaluator = val_evaluator
train_cfg = dict(by_epoch=True, max_epochs=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=SGD, lr=0.01))
visualizer = dict(type=UniversalVisualizer)
default_scope = None
"""


def write_detector(folder: Path) -> Path:
    """Writes a config, the base that it reads, and data; returns the path of the config."""
    write_coco(folder, 'train')
    write_coco(folder, 'val', first=100, ids=101)
    (folder / 'data.py').write_text(DETECTOR_DATA.format(folder=str(folder)))
    (folder / 'detector.py').write_text(DETECTOR)
    return folder / 'detector.py'


def write_classifier(folder: Path) -> Path:
    """Writes a config and data; returns the path of the config."""
    for split in ('train', 'val'):
        write_folders(folder, split)
    (folder / 'classifier.py').write_text(CLASSIFIER.format(folder=str(folder)))
    return folder / 'classifier.py'
