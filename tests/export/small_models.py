"""Models of configs made small for exports: few channels, a block a stage, weights that find something."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import torch
from commands import ROOT
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS, DefaultScope
from PIL import Image
from torch import nn

from mmattn.analysis.runs.tested_data import transforms_of
from mmattn.engine.launch import register_modules
from mmattn.engine.quiet import quiet

CONFIGS = ROOT / 'configs'
PHOTOGRAPHS = sorted((ROOT / 'tests' / 'fixtures' / 'blood_cells' / 'JPEGImages').glob('*.jpg'))
# Longer and shorter side that images become.
SCALE = (160, 128)
# Layers that compute scores, and those that compute boxes.
SCORES = re.compile(r'fc_cls|retina_cls|conv_cls|conv_obj|rpn_cls|conv_seg')
BOXES = re.compile(r'fc_reg|retina_reg|conv_reg|rpn_reg')
# Channels of necks and heads.
WIDTH = 16


def config(path: str | Path) -> Config:
    """A config of this repository with its model made small.

    Args:
        path: Path of a config, from configs/ on.
    """
    cfg = Config.fromfile(CONFIGS / path)
    register_modules(cfg)
    shrink(cfg)
    return cfg


def stock(model: str, options: dict | None = None) -> Config:
    """A detector of mmdet's `_base_/models` with mmdet's ResNet and the test pipeline of COCO, made small."""
    base = ('models/' + model, 'datasets/coco_instance' if model.startswith('mask') else 'datasets/coco_detection')
    names = [f'mmdet::_base_/{name}.py' for name in (*base, 'default_runtime')]
    cfg = Config.fromstring(f'_base_ = {names}', '.py')
    register_modules(cfg)
    cfg.model.backbone.init_cfg = None
    shrink(cfg)
    cfg.merge_from_dict(options or {})
    return cfg


def shrink(cfg: Config) -> None:
    """Makes the model of a config small, in place."""
    model = cfg.model
    model.backbone = backbone = small_backbone(model.backbone)
    with DefaultScope.overwrite_default_scope(cfg.default_scope), torch.no_grad():
        network = MODELS.build(backbone)
        network.eval()  # mmdet's returns None
        maps = network(torch.zeros(1, 3, 64, 64))
    channels = [one.shape[1] for one in maps]
    if model.type == 'ImageClassifier':
        for part in (model.neck, model.head):
            if 'in_channels' in part:
                part.in_channels = channels[-1]
        return
    if model.type == 'EncoderDecoder':
        narrow_heads(model, channels)
        reduce_images(cfg)
        return
    model.neck.in_channels = channels
    for part in walk(model):
        part.update({key: WIDTH for key in NARROWED & part.keys() if isinstance(part[key], int)})
        part.update({key: 1 for key in LAYERS & part.keys()})
    model.neck.in_channels = channels
    reduce_images(cfg)
    if 'roi_head' in model:
        model.test_cfg.rpn.update(nms_pre=100, max_per_img=40)


def reduce_images(cfg: Config) -> None:
    """Has the test pipeline of a config make small images."""
    for step in transforms_of(cfg):
        if isinstance(step.get('scale'), tuple):
            step.scale = SCALE


def narrow_heads(model: ConfigDict, channels: list[int]) -> None:
    """Fits the heads of a segmentor to the channels of a backbone, and makes them narrow."""
    for head in (model.decode_head, model.auxiliary_head):
        if head.type == 'mmattn.AttentionOn':
            head.feature_channels = channels
            head = head.backbone
        places = head.in_index
        head.in_channels = channels[places] if isinstance(places, int) else [channels[place] for place in places]
        head.channels = WIDTH
        if 'c1_in_channels' in head:
            head.update(c1_in_channels=channels[0], c1_channels=WIDTH)


# Arguments of necks and heads that are numbers of channels within them.
NARROWED = {'in_channels', 'feat_channels', 'out_channels', 'conv_out_channels', 'fc_out_channels'}
# Numbers of convolutions in heads.
LAYERS = {'stacked_convs', 'num_convs'}


def walk(part: ConfigDict):
    """The settings of the parts of a detector after its backbone."""
    for key, value in part.items():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(one, dict) and key not in ('backbone', 'data_preprocessor', 'train_cfg', 'test_cfg'):
                yield one
                yield from walk(one)


def small_backbone(backbone: ConfigDict) -> ConfigDict:
    """A backbone with a block a stage and the fewest channels that its modules allow."""
    backbone = ConfigDict(backbone)
    backbone.pop('init_cfg', None)
    kind = backbone.type.rpartition('.')[2]
    if kind == 'AttentionOn':
        inner = backbone.backbone
        inner.pop('init_cfg', None)
        inner.widen_factor = 0.125 if inner.type == 'CSPDarknet' else 0.5
        if 'min_channels' in backbone:
            backbone.min_channels //= 2
        return backbone
    if kind == 'ResNet':
        return ConfigDict(backbone, depth=18, base_channels=WIDTH)
    stages = backbone.get('num_stages') or (
        3 if backbone.get('depth') in (29, 164) else len(backbone.get('stage_blocks') or (1,) * 4)
    )
    backbone.stage_blocks = (2 if backbone.get('depth_attn') or 'SDA' in kind else 1, *(1,) * (stages - 1))
    for base_channels in (16, 32, 64, 128):
        backbone.base_channels = base_channels
        try:
            MODELS.build(backbone)
        except ValueError:  # too narrow for its groups
            continue
        return backbone
    raise AssertionError(f'{backbone} is too narrow with 128 channels')


def write(
    cfg: Config, folder: Path, name: str = 'small.py', classes: tuple[str, ...] | None = None
) -> tuple[Path, Path]:
    """Writes a config and a checkpoint with weights for it; returns the paths of both."""
    torch.manual_seed(0)
    register_modules(cfg)
    settings = ConfigDict(cfg.model)
    if cfg.get('data_preprocessor'):
        settings.setdefault('data_preprocessor', cfg.data_preprocessor)
    with quiet(), DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(settings)
        model.init_weights()
    awaken(model)
    folder.mkdir(parents=True, exist_ok=True)
    if cfg.default_scope == 'mmdet' and 'nuclei' not in repr(cfg.val_dataloader):
        classes = read_photographs(cfg, folder)
    cfg.dump(folder / name)
    meta = {} if classes is None else dict(meta=dict(dataset_meta=dict(classes=classes)))
    torch.save(dict(state_dict=model.state_dict(), **meta), folder / 'weights.pth')
    return folder / name, folder / 'weights.pth'


def read_photographs(cfg: Config, folder: Path) -> tuple[str, ...]:
    """Writes COCO's annotations of photographs, and has a config of a detector validate on them; returns the classes.

    The pictures of the demo have areas of one colour, whose boxes have scores that are equal but for rounding: a
    network without training finds them in any order.
    """
    from mmdet.datasets import CocoDataset

    images, objects = [], []
    for number, path in enumerate(PHOTOGRAPHS, start=1):
        width, height = Image.open(path).size
        images.append(dict(id=number, file_name=path.name, width=width, height=height))
        box = [width // 4, height // 4, width // 2, height // 2]
        x, y, w, h = box
        shape = [[x, y, x + w, y, x + w, y + h, x, y + h]]
        objects.append(
            dict(id=number, image_id=number, category_id=1, bbox=box, area=w * h, iscrowd=0, segmentation=shape)
        )
    names = CocoDataset.METAINFO['classes']
    categories = [dict(id=number, name=name) for number, name in enumerate(names, start=1)]
    content = dict(images=images, categories=categories, annotations=objects)
    (folder / 'instances.json').write_text(json.dumps(content))
    for split in ('val', 'test'):
        cfg[f'{split}_dataloader'].dataset.update(
            data_root='', ann_file=str(folder / 'instances.json'), data_prefix=dict(img=str(PHOTOGRAPHS[0].parent))
        )
        cfg[f'{split}_evaluator'] = dict(type='CocoMetric', ann_file=str(folder / 'instances.json'))
    return names


def awaken(model: nn.Module) -> None:
    """Moves norms and gates from their start, and gives the classifying layers weights that tell images apart."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for key, value in model.state_dict().items():
            noise = torch.rand(value.shape, generator=generator) if value.is_floating_point() else None
            if key.startswith('data_preprocessor') or noise is None:
                continue
            if key.endswith('running_var'):
                value.copy_(noise + 0.5)
            elif value.dim() < 2 and key.startswith(('backbone', 'neck')):
                value.add_((noise - 0.5) / 2)
            elif SCORES.search(key):
                value.mul_(50 if key.endswith('weight') else 0.3)
            elif BOXES.search(key):
                value.mul_(20)
        if hasattr(model, 'decode_head'):
            balance(model)


def balance(model: nn.Module) -> None:
    """Has each class of a segmentor win at some pixels of a photograph."""
    pixels = np.asarray(Image.open(PHOTOGRAPHS[0]).resize((96, 64)), np.float32)
    x = torch.from_numpy((pixels - 128) / 58).permute(2, 0, 1)[None]
    logits = model.eval()(x, mode='tensor').flatten(2)
    model.decode_head.conv_seg.bias.sub_(logits.mean((0, 2)))
