"""Every config of this repository goes through export and verification, with few channels and blocks.

Without EXPORT_ALL=1 in the environment only those of `ENOUGH` do: they have everything that the others have, but for
numbers and for the attention, spatial and depth modules, which `test_exported_modules` exports one by one.
"""

from __future__ import annotations

import json
import os
import re
from importlib.util import find_spec

import pytest

pytest.importorskip('mmdet')
pytest.importorskip('mmpretrain')

import numpy as np  # noqa: E402
from mmengine.config import Config  # noqa: E402
from small_models import CONFIGS, config  # noqa: E402

from mmattn.export.opening import opened  # noqa: E402
from mmattn.export.runner import Exported  # noqa: E402

pytestmark = pytest.mark.slow

PAPERS = ('sda', 'epsanet', 'mspanet', 'spem', 'ema', 'seg', 'demo')
SEGMENTORS = ('deeplabv3plus', 'pspnet', 'upernet')


def can_be_built(name: str) -> bool:
    """Whether the library of a config is installed."""
    return find_spec('mmseg') is not None or not name.split('/')[1].startswith(SEGMENTORS)


LEAVES = sorted(path.relative_to(CONFIGS).as_posix() for paper in PAPERS for path in (CONFIGS / paper).glob('*.py'))
LEAVES = list(filter(can_be_built, LEAVES))
MASKS = 'demo/mask_rcnn_sda_nuclei.py'
ENOUGH = (
    'demo/deeplabv3plus_sda_nuclei.py',
    'demo/imagenet_style_signs.py',
    MASKS,
    'ema/ema-mobilenetv2_2xb256_in1k.py',
    'ema/yolox-s_ema_8xb8_coco.py',
    'epsanet/retinanet_epsanet50_fpn_1x_coco.py',
    'mspanet/preact-mspanet164-6w_1xb128_cifar100.py',
    'sda/bam50_4xb64_in1k.py',
    'sda/faster-rcnn_fcanet50_fpn_1x_coco.py',
    'sda/pyconvhg101_4xb64_in1k.py',
    'sda/res2net50-v1d_4xb64_in1k.py',
)
ENOUGH = tuple(filter(can_be_built, ENOUGH))
RECIPES = 'mask-rcnn|faster-rcnn|retinanet|yolox|deeplabv3plus|pspnet|upernet|cifar|in1k|signs'
ALL = os.environ.get('EXPORT_ALL') == '1'
DETECTORS = ('mask', 'faster', 'retinanet', 'yolox')
# Settings of a backbone that are of its structure, and no module that is exported one by one.
STRUCTURE = ('stem', 'block', 'deep_stem', 'avg_down', 'stem_pool', 'strides', 'max_down', 'expansion', 'plugins')


def features(name: str) -> set:
    """What of a config may decide whether it can be exported: its recipe, and the structure of its backbone."""
    (recipe,) = re.findall(RECIPES, name.replace('_', '-'))
    if recipe in SEGMENTORS:  # whose heads `test_exported_segmentors` has one by one
        return {'segmentor'}
    text = (CONFIGS / name).read_text('utf-8')
    found = re.search(r'_base_/backbones/\w+\.py', text)
    if found is None:
        return {recipe, name if 'recipes' in text or 'AttentionOn' in text else ''}
    backbone = Config.fromfile(CONFIGS / found.group()).backbone
    structure = {(key, repr(backbone[key])) for key in STRUCTURE if key in backbone}
    return {recipe, *structure, *(key for key in ('attn', 'depth_attn') if isinstance(backbone.get(key), list))}


@pytest.mark.parametrize('name', LEAVES if ALL else ENOUGH)
def test_config_is_exported_and_verified(name, exported):
    folder = exported(name, lambda: config(name))
    info = Exported(folder / 'small.onnx', threads=1).info
    (verification,) = json.loads((folder / 'small.onnx.json').read_text())['verification'].values()
    assert verification['passed'] and verification['images'] >= 3
    assert (info['task'] == 'classes') == ('in1k' in name or 'cifar' in name or 'signs' in name)


@pytest.mark.parametrize(
    'name', [name for name in ENOUGH if name.split('/')[1].startswith(DETECTORS)] if ALL else [MASKS]
)
def test_detector_is_exported_and_verified_by_torch_export(name, exported):
    folder = exported(f'{name} torch', lambda: config(name), suffix='.pt2')
    model = opened(folder / 'small.pt2')
    found = model.run(np.zeros((1, 90, 70, 3), np.uint8))
    assert found['boxes'].shape == (len(found['scores']), 4)


def test_configs_that_are_exported_have_all_that_any_has():
    every = {feature: name for name in LEAVES for feature in features(name)}
    tested = set().union(*map(features, ENOUGH))
    assert {feature: name for feature, name in every.items() if feature not in tested} == {}
    assert len(ENOUGH) < len(LEAVES) / 4
