"""A config of pure Python, whose types are classes, is checked as a text config is."""

from __future__ import annotations

import pytest
from coco_data import sound, write

from mmattn.data.check import check_dataset

pytest.importorskip('mmdet')

BASE = """
from mmcv.transforms import LoadImageFromFile, RandomChoice
from mmdet.datasets import CocoDataset
from mmdet.datasets.transforms import LoadAnnotations
from mmengine.dataset import RepeatDataset

train_dataloader = dict(dataset=dict(type=RepeatDataset, times=2, dataset=dict(
    type=CocoDataset, data_root={root!r}, ann_file='instances.json', data_prefix=dict(img='images/'),
    metainfo=dict(classes=('cat', 'dog')), pipeline=[
        dict(type=LoadImageFromFile, color_type='unchanged'),
        dict(type=RandomChoice, transforms=[[dict(type=LoadAnnotations, with_mask=True)]])])))
"""
CONFIG = """
from mmengine.config import read_base

with read_base():
    from .base import *

default_scope = None
"""


@pytest.mark.filterwarnings('ignore')
def test_types_that_are_classes_are_known(tmp_path):
    content = sound()
    write(tmp_path, content)
    (tmp_path / 'base.py').write_text(BASE.format(root=str(tmp_path)))
    (tmp_path / 'config.py').write_text(CONFIG)
    (report,) = check_dataset(tmp_path / 'config.py')
    assert not report.problems.total() and report.images == 2
    content['annotations'][0]['segmentation'] = []
    write(tmp_path, content)
    (report,) = check_dataset(tmp_path / 'config.py')
    assert report.problems.count('annotations without segmentation (the run fails on them)') == 1
