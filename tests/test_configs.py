"""Every config loads, builds its network and runs; metafiles, configs and the papers' tables agree."""

from __future__ import annotations

import json
import re
import tokenize
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import mmattn  # noqa: F401  isort: skip  before mmdet and mmpretrain
import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import InstanceData
from tiny_segmentors import SIDE, batch, shrink

from mmattn.analysis.complexity import read_metafiles
from mmattn.engine.quiet import quiet

pytest.importorskip('mmdet')
pytest.importorskip('mmpretrain')
HAS_MMSEG = find_spec('mmseg') is not None

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / 'configs'
PAPERS = ('sda', 'epsanet', 'mspanet', 'spem', 'ema', 'seg')
# What is built on a backbone, which has weights to start from.
DETECTOR = re.compile(r'(faster|mask)-rcnn_|retinanet_')
SEGMENTOR = re.compile(r'(deeplabv3plus|pspnet(-eca)?|upernet|segmentor)_')


def readable(paths: Iterable[Path]) -> list[Path]:
    """The configs in order; without mmsegmentation, on which theirs build, all but those of segmentors."""
    return sorted(path for path in paths if HAS_MMSEG or not SEGMENTOR.match(path.name))


LEAVES = readable(path for paper in PAPERS for path in (CONFIGS / paper).glob('*.py'))
DEMOS = readable((CONFIGS / 'demo').glob('*.py'))
ALIASES = readable(CONFIGS.glob('*.py'))
FIT = readable((CONFIGS / '_base_' / 'fit').glob('*.py'))
LONGEST = 12
# Weights that load by themselves.
PUBLISHED = re.compile(r'(torchvision|open-mmlab|mmcls)://')
# Settings of a backbone with which the same weights go on.
WITHOUT_WEIGHTS = ('contract_dilation', 'dilations', 'frozen_stages', 'norm_cfg', 'norm_eval', 'strides')


def named(path: Path) -> str:
    return path.relative_to(CONFIGS).as_posix()


@cache
def load(path: Path) -> Config:
    return Config.fromfile(path)


def build(cfg: Config) -> torch.nn.Module:
    torch.manual_seed(0)
    with quiet(), DefaultScope.overwrite_default_scope(cfg.default_scope):
        return MODELS.build(cfg.model)


def code_lines(path: Path) -> int:
    """Lines that hold more than comments, blanks and the docstring."""
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENCODING, tokenize.ENDMARKER}
    lines, statement_starts = set(), True
    for token in tokenize.tokenize(BytesIO(path.read_bytes()).readline):
        docstring = token.type == tokenize.STRING and statement_starts
        if token.type not in skipped and not docstring:
            lines |= set(range(token.start[0], token.end[0] + 1))
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            statement_starts = token.type in (tokenize.NEWLINE, tokenize.ENCODING)
    return len(lines)


def test_code_lines_skip_comments_and_docstring(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text('"""Two\nlines."""\n# comment\n\n_base_ = (\n    "x.py",\n)\nb = """c\nd"""\n')
    assert code_lines(path) == 5


@pytest.mark.slow
@pytest.mark.parametrize('path', [*LEAVES, *DEMOS], ids=named)
def test_network_of_config_runs(path):
    cfg = Config.fromfile(path)  # its own, because it is changed
    {'mmdet': run_detector, 'mmpretrain': run_classifier, 'mmseg': run_segmentor}[cfg.default_scope](cfg)


def run_detector(cfg: Config) -> None:
    fewer_regions(cfg.model)
    model = build(cfg)
    head = cfg.model.roi_head.bbox_head if 'roi_head' in cfg.model else cfg.model.bbox_head
    classes = head.num_classes
    samples = [detection_sample(classes, masks='mask_head' in cfg.model.get('roi_head', {})) for _ in range(2)]
    images = torch.rand(2, 3, 64, 64)
    losses = model.train()(images, samples, mode='loss')
    with quiet():
        total, _ = model.parse_losses(losses)
    assert total.isfinite() and total > 0
    with torch.no_grad():
        outputs = model.eval()(images, samples, mode='tensor')
        predictions = model(images, samples, mode='predict')
    assert all(x.isfinite().all() for x in tensors(outputs))
    assert len(predictions) == 2 and all(len(p.pred_instances.bboxes) <= 500 for p in predictions)


def fewer_regions(model: dict) -> None:
    """The network as it is, with fewer proposals, which are most of the time on a tiny image."""
    if 'roi_head' in model:
        model.train_cfg.rpn_proposal.update(nms_pre=50, max_per_img=20)
        model.train_cfg.rcnn.sampler.num = 8
        model.test_cfg.rpn.update(nms_pre=50, max_per_img=8)


def detection_sample(classes: int, masks: bool):
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks

    sample = DetDataSample(
        metainfo=dict(
            img_shape=(64, 64),
            ori_shape=(64, 64),
            pad_shape=(64, 64),
            batch_input_shape=(64, 64),
            scale_factor=(1.0, 1.0),
        )
    )
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor([[4.0, 6.0, 40.0, 50.0], [20.0, 20.0, 60.0, 60.0]]), labels=torch.tensor([0, classes - 1])
    )
    if masks:
        maps = torch.zeros(2, 64, 64, dtype=torch.uint8)
        maps[0, 6:50, 4:40], maps[1, 20:60, 20:60] = 1, 1
        sample.gt_instances.masks = BitmapMasks(maps.numpy(), 64, 64)
    sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))
    return sample


def tensors(nested):
    if isinstance(nested, torch.Tensor):
        yield nested
    elif isinstance(nested, (list, tuple)):
        for part in nested:
            yield from tensors(part)


def run_classifier(cfg: Config) -> None:
    from mmpretrain.structures import DataSample

    model = build(cfg)
    classes = cfg.model.head.num_classes
    assert cfg.data_preprocessor.num_classes == classes
    images = torch.rand(2, 3, 32, 32)
    samples = [DataSample().set_gt_label(label) for label in (0, classes - 1)]
    loss = model.train()(images, samples, mode='loss')['loss']
    assert loss.isfinite() and loss > 0
    with torch.no_grad():
        logits = model.eval()(images, mode='tensor')
    assert logits.shape == (2, classes) and logits.isfinite().all()


def run_segmentor(cfg: Config) -> None:
    """The heads and backbone of the config, at a small size."""
    model = revert_sync_batchnorm(build(shrink(cfg)))
    heads = [model.decode_head, *([model.auxiliary_head] if model.with_auxiliary_head else [])]
    classes = model.decode_head.num_classes
    assert all(head.num_classes == classes for head in heads)
    inputs = batch(classes)
    losses = model.train()(**model.data_preprocessor(inputs, True), mode='loss')
    with quiet():
        total, _ = model.parse_losses(losses)
    assert total.isfinite() and total > 0 and sum('loss' in name for name in losses) == len(heads)
    with torch.no_grad():
        predictions = model.eval().test_step(inputs)
    for prediction in predictions:
        labels, scores = prediction.pred_sem_seg.data, prediction.seg_logits.data
        assert labels.shape == (1, SIDE, SIDE) and scores.shape == (classes, SIDE, SIDE)
        assert scores.isfinite().all() and torch.equal(scores.argmax(0, keepdim=True), labels)


@pytest.mark.parametrize('path', LEAVES, ids=named)
def test_config_is_short_and_names_its_batch(path):
    """Short, with a learning rate for the batch that its name states."""
    cfg = load(path)
    assert code_lines(path) <= LONGEST
    assert "'mmattn." in repr(cfg.model.to_dict())
    batch, base = cfg.train_dataloader.batch_size, cfg.auto_scale_lr.base_batch_size
    stated = re.search(r'_(\d+)xb(\d+)[_-]', path.name)
    gpus, images = map(int, stated.groups()) if stated else (4, 4)
    assert images == batch and gpus * images == base
    if DETECTOR.match(path.name) or SEGMENTOR.match(path.name):
        backbone = cfg.model.backbone
        init = backbone.get('backbone', backbone).init_cfg
        assert init.type == 'Pretrained'
        if not PUBLISHED.match(init.checkpoint):
            assert re.fullmatch(r'checkpoints/\w+\.pth', init.checkpoint) and init.prefix == 'backbone.'


@pytest.mark.parametrize('path', ALIASES, ids=named)
def test_alias_config_is_one_line_and_equals_its_target(path):
    """`test_network_of_config_runs` builds the target."""
    assert code_lines(path) == 1
    target = re.fullmatch(r"(?:\"\"\".+\"\"\"\n\n)?_base_ = '(.+)'\n", path.read_text()).group(1)
    assert (CONFIGS / target) in LEAVES
    assert load(path).to_dict() == load(CONFIGS / target).to_dict()


def test_alias_configs_cover_each_task_and_paper():
    published = {
        f'{task}_{network}.py'
        for task in ('mask_rcnn', 'faster_rcnn', 'imagenet', *(['deeplabv3plus'] if HAS_MMSEG else []))
        for network in ('sda', 'epsa', 'mspa', 'spem', 'ema')
    }
    assert {path.name for path in ALIASES} == published | {'mask_rcnn_sda_r50.py'}


def test_each_checkpoint_is_of_one_network_and_has_a_config_that_trains_it():
    networks = {}
    for path in LEAVES:
        if DETECTOR.match(path.name) or SEGMENTOR.match(path.name):
            backbone = load(path).model.backbone.to_dict()
            init = backbone.get('backbone', backbone).pop('init_cfg')
            if PUBLISHED.match(init['checkpoint']):
                continue  # a plain network's, which fits any attention that starts as the identity
            backbone = {key: value for key, value in backbone.items() if key not in WITHOUT_WEIGHTS}
            assert networks.setdefault(init['checkpoint'], backbone) == backbone, path
    assert len(networks) > 15
    pretrained = {path.name.partition('_')[0] for path in LEAVES if path.name.endswith('_in1k.py')}
    for checkpoint in networks:
        assert Path(checkpoint).stem.replace('_', '-') in pretrained, f'no config trains {checkpoint}'


@pytest.mark.parametrize(
    'name, blocks, decay',
    [
        ('spem/spem-resnet164_1xb128_cifar10.py', 54, 1e-4),
        ('spem/mask-rcnn_spem-resnet50_fpn_1x_coco.py', 13, 1e-4),
        ('seg/pspnet_spem-resnet50_4xb4-80k_ade20k-512x512.py', 16, 5e-4),
    ],
)
def test_spem_penalty_is_added_to_the_pooling_parameters_only(name, blocks, decay):
    """0.2, the gradient of 0.1 p ** 2, is added to the weight decay of the pooling parameters, and of nothing else."""
    cfg = load(CONFIGS / name)
    model = build(cfg)
    with quiet():
        groups = build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    pooling = {id(p) for key, p in model.named_parameters() if key.endswith('.attn.p') and p.requires_grad}
    decays = {id(p): group['weight_decay'] for group in groups for p in group['params']}
    assert len(pooling) == blocks
    assert [decays[key] for key in pooling] == pytest.approx([0.2 + decay] * blocks)
    assert {each for key, each in decays.items() if key not in pooling} == {decay}


def test_visdrone_counts_500_detections(tmp_path):
    """300 objects that are all found make AP 1: at COCO's 100 detections it would be a third of that."""
    from mmdet.registry import METRICS

    from mmattn.data.visdrone import CLASSES

    cfg = load(CONFIGS / 'ema' / 'faster-rcnn_ema-resnet50_fpn_1x_visdrone.py')
    assert cfg.train_dataloader.dataset.metainfo.classes == CLASSES
    assert cfg.model.roi_head.bbox_head.num_classes == len(CLASSES)
    assert cfg.model.test_cfg.rcnn.max_per_img == 500

    boxes = torch.tensor([[20.0 * i, 20.0 * j, 20.0 * i + 15, 20.0 * j + 15] for i in range(20) for j in range(15)])
    annotations = [
        dict(id=i + 1, image_id=1, category_id=4, iscrowd=0, area=225.0, bbox=[*box[:2].tolist(), 15.0, 15.0])
        for i, box in enumerate(boxes)
    ]
    path = tmp_path / 'instances.json'
    path.write_text(
        json.dumps(
            dict(
                images=[dict(id=1, file_name='1.jpg', height=400, width=400)],
                annotations=annotations,
                categories=[dict(id=i, name=name) for i, name in enumerate(CLASSES, 1)],
            )
        )
    )
    with quiet():
        metric = METRICS.build(cfg.val_evaluator | dict(ann_file=str(path)))
        metric.dataset_meta = dict(classes=CLASSES)
        metric.process(
            {},
            [
                dict(
                    img_id=1,
                    ori_shape=(400, 400),
                    pred_instances=dict(
                        bboxes=boxes, scores=torch.linspace(0.9, 0.1, 300), labels=torch.full((300,), 3)
                    ),
                )
            ],
        )
        assert metric.evaluate(size=1)['coco/bbox_mAP'] == pytest.approx(1, abs=0.01)


def test_sign_digits_images_are_complete():
    for split, count in (('train', 50), ('val', 15)):
        for digit in range(10):
            assert len(list((ROOT / 'demo/sign_digits_mini' / split / str(digit)).glob('*.jpg'))) == count


def entries(paper: str) -> list[dict]:
    return yaml.safe_load((CONFIGS / paper / 'metafile.yml').read_text(encoding='utf-8'))['Models']


@pytest.mark.parametrize('path', [*LEAVES, *DEMOS, *ALIASES, *FIT], ids=named)
def test_config_imports_this_package_for_tools_that_do_not(path):
    """So that mmdet's own scripts find the stand-in for mmcv's operators when they import its models."""
    assert load(path).custom_imports.to_dict() == dict(imports=['mmattn'])


def test_demo_configs_find_their_data_from_anywhere():
    for path in DEMOS:
        for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            dataset = load(path)[loader].dataset
            root = Path(dataset.get('dataset', dataset).data_root)
            assert root.is_absolute() and root.is_dir()


def test_metafiles_list_every_config():
    rows = read_metafiles(ROOT)
    assert {row.config for row in rows if row.config and (HAS_MMSEG or row.folder.name != 'seg')} == set(LEAVES)
    for paper in PAPERS:
        listed = {ROOT / entry['Config'] for entry in entries(paper)}
        assert {path for path in LEAVES if path.parent.name == paper} <= listed


@pytest.mark.parametrize('paper', PAPERS)
def test_model_is_named_as_its_config(paper):
    """A model is called as its config; a further row of the same config has a word after a slash."""
    collection = yaml.safe_load((CONFIGS / paper / 'metafile.yml').read_text(encoding='utf-8'))['Collections'][0]
    assert collection['README'] == f'configs/{paper}/README.md' and (ROOT / collection['README']).is_file()
    for entry in entries(paper):
        assert entry['Name'].partition('/')[0] == Path(entry['Config']).stem
        assert entry['In Collection'] == collection['Name']


def test_model_index_imports_all():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text(encoding='utf-8'))
    assert sorted(index['Import']) == sorted(f'configs/{paper}/metafile.yml' for paper in PAPERS)
