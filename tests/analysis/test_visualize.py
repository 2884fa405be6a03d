"""The pictures of tools/visualize.py: Grad-CAM, attention weights, the page, the tool itself."""

import csv
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from mmattn.analysis import extras
from mmattn.analysis.charts import save_png
from mmattn.analysis.page import Cell, Page, Picture, Section, Table, TableRow, write_page
from mmattn.analysis.visualize import attention, figures
from mmattn.analysis.visualize.attention import Recorder, find, inventory, pooling_shares, short_name
from mmattn.analysis.visualize.sizes import Survey, compare_sizes, count_sizes
from mmattn.engine import launch
from mmattn.errors import UserError
from mmattn.models.attention import CBAM, EMA, SPEM
from mmattn.models.depth import SDA
from mmattn.models.spatial import MSPA, PSA

pytest.importorskip('matplotlib')

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / 'tools' / 'visualize.py'
CHROMIUM = next((path for path in map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome')) if path), None)
MEAN_STD = dict(mean=[128.0] * 3, std=[60.0] * 3)


# What modules offer.


@pytest.mark.parametrize('module', [EMA(16, factor=4), CBAM(16), EMA(16, factor=4, identity_init=True)])
def test_attention_map_is_what_the_module_multiplies_by(module):
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    x = torch.randn(2, 16, 9, 7)
    weights = module.attention_map(x)
    expected = x * weights.repeat_interleave(16 // weights.shape[1], 1)
    if isinstance(module, CBAM):
        expected = expected * module.channel(x)
    assert not weights.requires_grad and weights.min() >= 0 and weights.max() <= 1
    torch.testing.assert_close(module.attend(x), expected)


def test_pooling_shares_are_those_of_the_mix():
    module = SPEM(4)
    module.p.data = torch.tensor([1.0, 3.0])
    torch.testing.assert_close(module.pooling_shares().detach(), torch.tensor([0.1, 0.9]))
    assert pooling_shares(nn.ModuleDict({'attn': module})) == {'attn': pytest.approx(0.1)}


@pytest.mark.parametrize(
    'build, names',
    [
        (lambda: PSA(16, 16, kernel_sizes=(3, 5), groups=(1, 2), reduction=1), ['5 x 5', '3 x 3']),
        (lambda: MSPA(12, 12, reduction=1), ['scale 1', 'scale 2', 'scale 3']),
    ],
    ids=['PSA', 'MSPA'],
)
def test_branch_weights_are_those_of_the_forward(build, names):
    torch.manual_seed(0)
    module = build().eval()
    with Recorder(module, ['branches']) as recorder:
        module(torch.randn(1, module.convs[0].in_channels * (1 if isinstance(module, PSA) else 3), 8, 8))
        [reading] = recorder.take()['branches']
    assert reading.labels == names
    assert reading.weights.shape[0] == len(names)
    torch.testing.assert_close(reading.weights.sum(0), torch.ones(reading.weights.shape[1]))
    assert reading.weights.std() > 0


def test_recorder_reads_the_last_image_and_leaves_no_hooks():
    torch.manual_seed(0)
    sda = SDA(8, 2, norm_cfg=dict(type='GN', num_groups=8)).eval()
    model = nn.ModuleDict({'layer1': nn.ModuleDict({'depth_attn': sda})})
    maps = [torch.randn(1, 8, 4, 4) for _ in range(2)]
    with Recorder(model, ['depth', 'maps']) as recorder:
        sda([torch.zeros(1, 8, 4, 4)] * 2)
        sda(maps)
        readings = recorder.take()
        assert recorder.take() == {}
    [reading] = readings['depth']
    assert (reading.name, reading.module, reading.gate) == ('layer1', 'SDA', None)
    torch.testing.assert_close(reading.weights, sda.depth_weights(maps)[0, :, :, 0, 0].detach())
    assert not sda._forward_pre_hooks and not sda._forward_hooks


def test_an_identity_start_shows_its_gate():
    module = EMA(16, factor=4, identity_init=True)
    module.gate.data.fill_(0.25)
    with Recorder(module, ['maps']) as recorder:
        module(torch.randn(1, 16, 6, 6))
        [reading] = recorder.take()['maps']
    assert reading.gate == 0.25 and reading.weights.shape == (4, 6, 6)


def test_inventory_and_names():
    model = nn.Sequential(EMA(16, factor=4), CBAM(16), nn.Conv2d(1, 1, 1), EMA(16, factor=4))
    assert inventory(model) == '2 x EMA, 1 x CBAM'
    assert inventory(nn.ReLU()) == 'no attention of mmattn'
    assert list(find(model)) == ['maps'] and set(find(model)['maps']) == {'0', '1', '3'}
    assert short_name('backbone.layer2.3.attn') == 'layer2.3'
    assert short_name('backbone.layer2.depth_attn') == 'layer2'
    assert short_name('attn') == 'attn'
    assert set(attention.KINDS) == {'depth', 'branches', 'maps', 'pooling'}


# Object sizes.


def test_sizes_are_cocos():
    pytest.importorskip('pycocotools')
    square = [[0, 0, 40, 0, 40, 20, 0, 20]]
    info = dict(
        height=300,
        width=300,
        instances=[
            dict(bbox=[0, 0, 31, 33]),
            dict(bbox=[0, 0, 32, 32]),
            dict(bbox=[0, 0, 95, 97]),
            dict(bbox=[0, 0, 96, 96]),
            dict(bbox=[0, 0, 200, 200], ignore_flag=1),
            dict(bbox=[0, 0, 40, 40], mask=square),
        ],
    )  # 800 pixels, though the box has 1600
    assert count_sizes(info) == (2, 2, 1)
    assert count_sizes(dict()) == (0, 0, 0)


def survey_of(slope, images=60, seed=0):
    """Images with small or large objects, whose mean depth rises by `slope` from the former to the latter."""
    rng = np.random.default_rng(seed)
    large = np.arange(images) % 2
    depth = 0.5 + slope * (large - 0.5) + 0.01 * rng.standard_normal(images)
    objects = np.stack([3 * (1 - large), np.zeros(images, int), 2 * large], 1)
    return Survey([f'{i}.png' for i in range(images)], objects, {'layer1': np.stack([1 - depth, depth], 1)})


@pytest.mark.parametrize('slope, verdict', [(0.1, 'shown'), (-0.1, 'refuted'), (0.0, 'undecided')])
def test_the_claim_is_judged(slope, verdict):
    [stage] = compare_sizes(survey_of(slope))
    assert stage.verdict == verdict and stage.compared == ('small', 'large')
    low, high = stage.difference_interval
    assert low < stage.difference < high and stage.difference == pytest.approx(-slope, abs=0.01)
    assert np.isnan(stage.mean_depth[1]) and np.isnan(stage.weights[1]).all()


def test_objects_count_with_their_image():
    found = Survey(['a', 'b'], np.array([[3, 0, 1], [1, 0, 1]]), {'s': np.array([[1.0, 0.0], [0.0, 1.0]])})
    [stage] = compare_sizes(found)
    np.testing.assert_allclose(stage.weights[[0, 2]], [[0.75, 0.25], [0.5, 0.5]])
    np.testing.assert_allclose(stage.mean_depth[[0, 2]], [0.25, 0.5])
    assert stage.verdict == 'too few images'


def test_nothing_to_compare():
    one_size = Survey(['a'], np.array([[3, 0, 0]]), {'s': np.array([[0.5, 0.5]])})
    assert compare_sizes(one_size)[0].verdict == 'nothing to compare'
    no_objects = Survey(['a'], np.array([[0, 0, 0]]), {'s': np.array([[0.5, 0.5]])})
    assert compare_sizes(no_objects)[0].verdict == 'nothing to compare'
    one_block = Survey(['a', 'b'], np.array([[3, 1, 0]] * 2), {'s': np.ones((2, 1))})
    assert compare_sizes(one_block)[0].verdict == 'nothing to compare'


# Extras.


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'pytorch_grad_cam', None)
    with pytest.raises(UserError, match=r"package grad-cam.*pip install 'mmattn\[viz\]'"):
        extras.require('pytorch_grad_cam')


@pytest.mark.slow
def test_importing_needs_no_extras():
    code = (
        "import sys; sys.modules['matplotlib'] = None; sys.modules['pytorch_grad_cam'] = None\n"
        'import mmattn.models, mmattn.analysis.visualize.attention, mmattn.analysis.visualize.output'
    )
    subprocess.run([sys.executable, '-c', code], check=True, cwd=ROOT, timeout=120)


# Models and the tool.


def write_config(folder, text):
    path = folder / 'tiny.py'
    path.write_text(text)
    return path


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images & more')
    rng = np.random.default_rng(0)
    for name in ('a', 'b#1'):
        Image.fromarray(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(folder / f'{name}.png')
    return folder


def classifier_config(backbone, channels):
    return f"""
default_scope = 'mmpretrain'
model = dict(type='ImageClassifier', backbone=dict({backbone}), neck=dict(type='GlobalAveragePooling'),
             head=dict(type='LinearClsHead', num_classes=3, in_channels={channels}))
data_preprocessor = dict({', '.join(f'{k}={v}' for k, v in MEAN_STD.items())}, to_rgb=True)
test_dataloader = dict(dataset=dict(classes=['ant', 'bee', 'cat'], pipeline=[
    dict(type='LoadImageFromFile'), dict(type='Resize', scale=(64, 64)), dict(type='PackInputs')]))
"""


def detector_config(annotations, images):
    return f"""
default_scope = 'mmdet'
model = dict(
    type='RetinaNet',
    data_preprocessor=dict(type='DetDataPreprocessor', {', '.join(f'{k}={v}' for k, v in MEAN_STD.items())},
                           pad_size_divisor=32),
    backbone=dict(type='mmattn.SDAResNet', depth=None, stage_blocks=(2, 2, 1), base_channels=8,
                  norm_cfg=dict(type='GN', num_groups=4), frozen_stages=1, with_cp=True),
    neck=dict(type='FPN', in_channels=[32, 64, 128], out_channels=16, num_outs=3),
    bbox_head=dict(type='RetinaHead', num_classes=2, in_channels=16, stacked_convs=1, feat_channels=16,
                   anchor_generator=dict(type='AnchorGenerator', octave_base_scale=4, scales_per_octave=1,
                                         ratios=[1.0], strides=[4, 8, 16]),
                   bbox_coder=dict(type='DeltaXYWHBBoxCoder')),
    test_cfg=dict(nms_pre=50, min_bbox_size=0, score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5), max_per_img=5))
pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(96, 96), keep_ratio=True),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='PackDetInputs', meta_keys=('img_path', 'ori_shape', 'img_shape', 'scale_factor'))]
test_dataloader = dict(dataset=dict(metainfo=dict(classes=('ant', 'bee')), pipeline=pipeline))
val_cfg = dict()
val_dataloader = dict(dataset=dict(type='CocoDataset', test_mode=True, metainfo=dict(classes=('ant', 'bee')),
                                   ann_file={str(annotations)!r}, data_prefix=dict(img={str(images)!r}),
                                   pipeline=pipeline))
"""


def save_weights(config, path):
    """Random weights of a config's model, as a training would leave them."""
    from mmengine.registry import MODELS, init_default_scope

    cfg = launch.load_config(str(config))
    launch.register_modules(cfg)
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)


@pytest.fixture(scope='module')
def classifier(tmp_path_factory):
    pytest.importorskip('mmpretrain')
    folder = tmp_path_factory.mktemp('classifier')
    backbone = (
        "type='mmattn.AttnResNet', depth=None, stage_blocks=(1, 1), base_channels=16, out_indices=(1, ), "
        "attn=(dict(type='mmattn.EMA', factor=8, identity_init=True), 'mmattn.SPEM'), "
        "spatial=dict(type='mmattn.PSA', reduction=4, groups=(1, 2, 2, 4)), "
        "plugins=[dict(cfg=dict(type='mmattn.CBAM'), position='after_conv3')]"
    )
    config = write_config(folder, classifier_config(backbone, 128))
    save_weights(config, folder / 'weights.pth')
    return config, folder / 'weights.pth'


@pytest.fixture(scope='module')
def detector(tmp_path_factory, images):
    pytest.importorskip('mmdet')
    folder = tmp_path_factory.mktemp('detector')
    annotations = dict(
        images=[dict(id=i, file_name=f'{name}.png', width=64, height=48) for i, name in enumerate(('a', 'b#1'))],
        categories=[dict(id=1, name='ant'), dict(id=2, name='bee')],
        annotations=[
            dict(id=i, image_id=i // 2, category_id=1, bbox=[0, 0, size, size], area=size**2, iscrowd=0)
            for i, size in enumerate((10, 40, 12, 14))
        ],
    )
    (folder / 'val.json').write_text(json.dumps(annotations))
    config = write_config(folder, detector_config(folder / 'val.json', images))
    save_weights(config, folder / 'weights.pth')
    return config, folder / 'weights.pth'


def load(pair):
    from mmattn.analysis.visualize.network import Network

    cfg = launch.load_config(str(pair[0]))
    launch.register_modules(cfg)
    return Network(cfg, pair[1], 'cpu')


def run_tool(monkeypatch, *args):
    spec = importlib.util.spec_from_file_location('visualize', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.setattr(sys, 'argv', [str(TOOL), '--device', 'cpu', *map(str, args)])
    launch.run(tool.main)


def fails(monkeypatch, capsys, *args):
    """The one line of an error that the user can correct."""
    with pytest.raises(SystemExit) as stop:
        run_tool(monkeypatch, *args)
    assert stop.value.code == 2
    [line] = [line for line in capsys.readouterr().err.splitlines() if 'error: ' in line]
    return line


def test_heat_maps_are_those_of_the_package(classifier, images):
    """Against the package's own forward and hooks, on one map."""
    cam = pytest.importorskip('pytorch_grad_cam')
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    from mmattn.analysis.visualize.cam import METHODS, Choice, Explainer

    network = load(classifier)
    image = network.open(images / 'a.png')
    assert image.image.size == image.padded_size == (64, 64)
    found = Explainer(network, list(METHODS)).explain(image, Choice(classes=[2]))
    [explanation] = found
    assert explanation.title.startswith('cat ')
    for title, name in METHODS.values():
        with getattr(cam, name)(network.model, [network.model.backbone.layer2]) as reference:
            expected = reference(image.inputs, [ClassifierOutputTarget(2)])[0]
        np.testing.assert_allclose(explanation.heat[title], expected, atol=1e-5)


@pytest.mark.parametrize('brightness', [0, 25, 255])
def test_heat_is_seen_on_dark_and_bright_images(tmp_path, brightness):
    pytest.importorskip('pytorch_grad_cam')
    from mmattn.analysis.visualize.cam import Explanation

    heat = np.zeros((60, 60), np.float32)
    heat[20:40, 20:40] = 0.9
    image = Image.new('RGB', (60, 60), (brightness,) * 3)
    reading = attention.Reading('layer1.0', 'EMA', torch.from_numpy(heat)[None], ['group 1'])
    for figure in (
        figures.draw_cam(image, [Explanation('', np.empty((0, 4)), {'Grad-CAM': heat})]),
        figures.draw_maps(image, [reading], image.size),
    ):
        save_png(figure, tmp_path / 'picture.png')
        panel = figure.axes[1 if len(figure.axes) > 2 else 0].get_window_extent()
        with Image.open(tmp_path / 'picture.png') as picture:
            scale = picture.width / figure.bbox.width
            red, green, blue = picture.convert('RGB').getpixel(
                (int(scale * (panel.x0 + panel.x1) / 2), picture.height - int(scale * (panel.y0 + panel.y1) / 2))
            )
        assert red > 120 and red - blue > 60, (red, green, blue)


def test_the_image_shown_is_what_the_network_sees(classifier, images):
    network = load(classifier)
    image = network.open(images / 'a.png')
    seen = image.inputs[0].permute(1, 2, 0).numpy() * 60 + 128
    np.testing.assert_allclose(seen, np.asarray(image.image), atol=1e-3)


def test_detections_are_explained_from_the_map_they_come_from(detector, images):
    pytest.importorskip('pytorch_grad_cam')
    from mmattn.analysis.visualize.cam import Choice, Explainer

    network = load(detector)
    image = network.open(images / 'a.png')
    assert image.image.size == (96, 72) and image.padded_size == (96, 96)
    explainer = Explainer(network, ['gradcam', 'hirescam'])
    scores = explainer.explain(image, Choice(limit=2, score_thr=0.0))
    boxes = explainer.explain(image, Choice('box', limit=2, score_thr=0.0))
    assert [one.title for one in scores] == [one.title for one in boxes] and len(scores) == 2
    for one, other in zip(scores, boxes):
        assert one.boxes.shape == (1, 4) and one.boxes.max() <= 96.5
        assert one.heat['Grad-CAM'].shape == (72, 96)
        assert one.heat['Grad-CAM'].min() >= 0 and one.heat['HiResCAM'].max() <= 1
        assert not np.allclose(one.heat['HiResCAM'], other.heat['HiResCAM'])
    together = explainer.explain(image, Choice('class', score_thr=0.0))
    assert sum(len(one.boxes) for one in together) == 5 and together[0].title.endswith(' found')
    [best] = explainer.explain(image, Choice(score_thr=1.0))
    assert best.title.endswith('(below 1)')


@pytest.mark.parametrize('layer', ['backbone', 'backbone.layer1', 'backbone.layer2.1', 'backbone.layer3.0.conv2'])
def test_any_module_explains_a_detection(detector, images, layer):
    """A block of a stage with depth attention, too, and through frozen stages and checkpointed blocks."""
    pytest.importorskip('pytorch_grad_cam')
    from mmattn.analysis.visualize.cam import Choice, Explainer

    network = load(detector)
    image = network.open(images / 'a.png')
    [best] = Explainer(network, ['gradcam', 'layercam'], layer).explain(image, Choice(limit=1, score_thr=0.0))
    assert best.heat['Grad-CAM'].shape == (72, 96) and best.heat['LayerCAM'].max() > 0.5


def test_a_class_with_no_detection_gives_nothing(detector, images):
    pytest.importorskip('pytorch_grad_cam')
    from mmattn.analysis.visualize.cam import Choice, Explainer

    network = load(detector)
    assert Explainer(network, ['gradcam']).explain(network.open(images / 'a.png'), Choice(classes=[7])) == []
    with pytest.raises(UserError, match='cow.*its classes are: ant, bee'):
        network.classes.label('cow')


def test_tool_on_a_classifier(monkeypatch, tmp_path, classifier, images, capsys):
    pytest.importorskip('pytorch_grad_cam')
    run_tool(monkeypatch, *classifier, images, '--out', tmp_path, '--top', 2)
    output = capsys.readouterr().out
    assert 'pictures of 2 images' in output and 'index.html' in output
    page = (tmp_path / 'index.html').read_text('utf-8')
    for name, link in (('a', 'a'), ('b#1', 'b%231')):
        for kind in ('cam', 'branches', 'maps'):
            assert (tmp_path / f'{name}_{kind}.png').is_file() and f'src="{link}_{kind}.png"' in page
        readings = json.loads((tmp_path / f'{name}.json').read_text())
        assert [one['module'] for one in readings['maps']] == ['EMA', 'CBAM', 'CBAM']
        assert [one['gate'] for one in readings['maps']] == [0.0, None, None]
        assert readings['branches'][0]['labels'] == ['9 x 9', '7 x 7', '5 x 5', '3 x 3']
        assert sum(readings['branches'][0]['mean']) == pytest.approx(1, abs=1e-3)
    assert json.loads((tmp_path / 'pooling.json').read_text()) == {'layer2.0': pytest.approx(0.5)}
    assert 'src="pooling.png"' in page and '://' not in page
    assert not list(tmp_path.glob('.*'))


def test_tool_on_a_detector(monkeypatch, tmp_path, detector, images):
    pytest.importorskip('pytorch_grad_cam')
    run_tool(monkeypatch, *detector, images, '--out', tmp_path, '--max-images', 1, '--dataset', '--score-thr', 0)
    assert {path.name for path in tmp_path.iterdir()} == {
        'index.html',
        'a.json',
        'a_cam.png',
        'a_depth.png',
        'depth_by_size.json',
        'depth_by_size.csv',
        'depth_by_size.png',
        'depth_by_image.csv',
    }
    summary = json.loads((tmp_path / 'depth_by_size.json').read_text())
    assert summary['images'] == 2 and summary['objects'] == dict(small=3, medium=1, large=0)
    first, _, last = summary['stages']
    assert first['stage'] == 'layer1' and first['compared'] == ['small', 'medium']
    assert first['verdict'] == 'too few images' and last['verdict'] == 'nothing to compare'
    assert first['sizes']['large']['mean_depth'] is None
    with open(tmp_path / 'depth_by_image.csv', newline='') as stream:
        header, *rows = csv.reader(stream)
    assert header[:5] == ['image', 'small objects', 'medium objects', 'large objects', 'layer1 block 1']
    assert [row[:4] for row in rows] == [['a.png', '1', '1', '0'], ['b#1.png', '2', '0', '0']]
    medium = first['sizes']['medium']['weights']
    np.testing.assert_allclose([float(x) for x in rows[0][4:6]], medium, atol=1e-5)
    page = (tmp_path / 'index.html').read_text('utf-8')
    assert '3 small in 2 images, 1 medium in 1 images' in page


def test_kinds_without_grad_cam_need_no_package(monkeypatch, tmp_path, detector, images):
    monkeypatch.setitem(sys.modules, 'pytorch_grad_cam', None)
    run_tool(monkeypatch, *detector, images / 'a.png', '--out', tmp_path, '--only', 'depth')
    assert {path.name for path in tmp_path.iterdir()} == {'index.html', 'a.json', 'a_depth.png'}


def test_errors_of_the_tool(monkeypatch, tmp_path, capsys, detector, images):
    config, weights = detector
    out = ('--out', tmp_path / 'out')
    assert 'it has: 3 x SDA' in fails(monkeypatch, capsys, *detector, images, *out, '--only', 'branches')
    assert 'give images, or --dataset' in fails(monkeypatch, capsys, *detector, *out)
    assert "no image or folder 'absent'" in fails(monkeypatch, capsys, *detector, 'absent', *out)
    (tmp_path / 'empty').mkdir()
    assert 'no image' in fails(monkeypatch, capsys, *detector, tmp_path / 'empty', *out)
    assert 'no checkpoint' in fails(monkeypatch, capsys, config, 'absent.pth', images, *out)
    assert 'no config' in fails(monkeypatch, capsys, 'absent.py', weights, images, *out)
    assert '--device nonsense' in fails(monkeypatch, capsys, *detector, images, *out, '--device', 'nonsense')
    assert "weights.pth' is a file" in fails(monkeypatch, capsys, *detector, images, '--out', weights)
    (tmp_path / 'broken.png').write_bytes(b'no image')
    assert 'cannot be read as an image' in fails(monkeypatch, capsys, *detector, tmp_path / 'broken.png', *out)
    line = fails(monkeypatch, capsys, *detector, images, *out, '--layer', 'backbone.layer9')
    assert "no module 'backbone.layer9'" in line and 'backbone.layer1' in line
    line = fails(monkeypatch, capsys, *detector, images, *out, '--layer', 'data_preprocessor')
    assert 'name another with --layer' in line
    torch.save(dict(state_dict={'other': torch.zeros(1)}), tmp_path / 'other.pth')
    assert 'does not fit the model' in fails(monkeypatch, capsys, config, tmp_path / 'other.pth', images, *out)
    (tmp_path / 'broken.pth').write_bytes(b'no checkpoint')
    assert 'cannot read the checkpoint' in fails(monkeypatch, capsys, config, tmp_path / 'broken.pth', images, *out)
    monkeypatch.setitem(sys.modules, 'pytorch_grad_cam', None)
    assert 'mmattn[viz]' in fails(monkeypatch, capsys, *detector, images, *out)
    assert not (tmp_path / 'out').exists()


def test_an_image_that_cannot_be_read_costs_the_others_nothing(monkeypatch, tmp_path, capsys, detector, images):
    for name in ('empty', 'broken'):
        (tmp_path / f'{name}.png').write_bytes(b'x' * (name == 'broken'))
    (tmp_path / 'folder.png').mkdir()
    line = fails(
        monkeypatch, capsys, *detector, tmp_path, images / 'a.png', '--only', 'depth', '--out', tmp_path / 'out'
    )
    assert "broken.png' cannot be read as an image" in line and line.endswith('(and 1 more images)')
    assert (tmp_path / 'out' / 'a_depth.png').is_file() and (tmp_path / 'out' / 'index.html').is_file()


@pytest.mark.parametrize(
    'option, message',
    [
        ('test_dataloader.dataset.pipeline=3', 'test pipeline'),
        ('val_dataloader=3', 'no pictures can be made'),
        ('val_dataloader.dataset.type=Nope', 'the val_dataloader of'),
        ('model.backbone=None', 'cannot be built'),
        (
            'model.data_preprocessor.bgr_to_rgb=True test_dataloader.dataset.pipeline.0.color_type=grayscale',
            'does not take what its test pipeline returns',
        ),
    ],
)
def test_a_config_that_does_not_fit_together_is_one_line(
    monkeypatch, tmp_path, capsys, detector, images, option, message
):
    line = fails(
        monkeypatch,
        capsys,
        *detector,
        images / 'a.png',
        '--only',
        'depth',
        '--dataset',
        '--out',
        tmp_path / 'out',
        '--cfg-options',
        *option.split(),
    )
    assert message in line


def test_a_model_without_depth_attention_has_no_sizes(monkeypatch, tmp_path, capsys, classifier):
    line = fails(
        monkeypatch,
        capsys,
        *classifier,
        '--out',
        tmp_path,
        '--dataset',
        '--cfg-options',
        'val_dataloader.dataset.type=CIFAR10',
    )
    assert 'which the model lacks' in line and 'PSA' in line


# What networks see.

GREY = dict(mean=[128.0], std=[60.0])


def test_a_network_of_one_channel(monkeypatch, tmp_path, images):
    pytest.importorskip('mmpretrain')
    pytest.importorskip('pytorch_grad_cam')
    backbone = "type='mmattn.AttnResNet', depth=18, base_channels=8, in_channels=1, attn='mmattn.CBAM'"
    text = classifier_config(backbone, 64)
    text = text.replace(
        ', '.join(f'{k}={v}' for k, v in MEAN_STD.items()) + ', to_rgb=True',
        ', '.join(f'{k}={v}' for k, v in GREY.items()),
    )
    config = write_config(tmp_path, text.replace("'LoadImageFromFile'", "'LoadImageFromFile', color_type='grayscale'"))
    save_weights(config, tmp_path / 'weights.pth')
    run_tool(monkeypatch, config, tmp_path / 'weights.pth', images / 'a.png', '--out', tmp_path / 'out')
    assert (tmp_path / 'out' / 'a_cam.png').is_file()
    image = load((config, tmp_path / 'weights.pth')).open(images / 'a.png')
    seen = image.inputs[0, 0].numpy() * 60 + 128
    assert image.inputs.shape == (1, 1, 64, 64)
    np.testing.assert_allclose(np.asarray(image.image), np.stack([seen] * 3, 2), atol=1e-3)


def test_parts_of_a_validation_set_and_no_test_data(monkeypatch, tmp_path, detector, images):
    """A ConcatDataset in a RepeatDataset, whose pipeline and classes take the place of those of the test data."""
    config, weights = detector
    cfg = launch.load_config(str(config))
    part = cfg.val_dataloader.dataset.to_dict()
    cfg.val_dataloader.dataset = dict(
        type='RepeatDataset', times=1, dataset=dict(type='ConcatDataset', datasets=[part, part])
    )
    cfg.pop('test_dataloader')
    cfg.dump(tmp_path / 'parts.py')
    out = tmp_path / 'out'
    run_tool(
        monkeypatch, tmp_path / 'parts.py', weights, images / 'a.png', '--only', 'depth', '--dataset', '--out', out
    )
    assert json.loads((out / 'depth_by_size.json').read_text())['images'] == 4
    assert (out / 'a_depth.png').is_file()
    assert load((tmp_path / 'parts.py', weights)).classes.name(1) == 'bee'


def test_a_config_without_any_data_says_what_is_missing(tmp_path, detector):
    cfg = launch.load_config(str(detector[0]))
    pipeline = cfg.test_dataloader.dataset.pipeline
    for name in ('test_dataloader', 'val_dataloader', 'val_cfg'):
        cfg.pop(name)
    cfg.dump(tmp_path / 'none.py')
    with pytest.raises(UserError, match='neither test_dataloader nor val_dataloader'):
        load((tmp_path / 'none.py', detector[1]))
    cfg.test_pipeline = pipeline
    cfg.dump(tmp_path / 'own.py')
    assert load((tmp_path / 'own.py', detector[1])).classes.name(1) == 'class 1'


def turned(path, orientation=6):
    """A file whose camera was held upright: stored lying, with a red corner at the upper left once it is turned."""
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[20:, :40] = (255, 0, 0)  # turned clockwise, the lower left corner comes to the upper left
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif, quality=100, subsampling=0)
    return path


def test_images_are_shown_as_the_network_sees_them(tmp_path, classifier):
    """Upright where the config decodes them so, lying where it does not; 16 bits without saturation."""
    network = load(classifier)
    upright = network.open(turned(tmp_path / 'camera.jpg')).image
    assert upright.getpixel((8, 8))[0] > 200 and upright.getpixel((8, 56))[0] < 50
    config, weights = classifier
    cfg = launch.load_config(str(config), {'test_dataloader.dataset.pipeline.0.color_type': 'color_ignore_orientation'})
    launch.register_modules(cfg)
    from mmattn.analysis.visualize.network import Network

    lying = Network(cfg, weights, 'cpu').open(tmp_path / 'camera.jpg').image
    assert lying.getpixel((8, 56))[0] > 200 and lying.getpixel((8, 8))[0] < 50

    ramp = np.linspace(0, 40_000, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / 'deep.png')
    shown = np.asarray(network.open(tmp_path / 'deep.png').image, int)
    np.testing.assert_allclose(shown[..., 0], ramp / 257, atol=2)
    cfg = launch.load_config(
        str(config),
        {
            'test_dataloader.dataset.pipeline.0.color_type': 'unchanged',
            'test_dataloader.dataset.pipeline.0.to_float32': True,
        },
    )
    network.pipeline = Network(cfg, weights, 'cpu').pipeline
    data = network.pipeline(dict(img_path=str(tmp_path / 'deep.png')))
    assert data['inputs'].max() > 30_000
    from mmattn.analysis.shown_image import to_rgb

    shown = np.asarray(to_rgb(data['inputs'].permute(1, 2, 0).numpy()), int)
    np.testing.assert_allclose(shown[..., 0], ramp / 40_000 * 255, atol=2)


@pytest.mark.parametrize(
    'pixels, expected',
    [
        (np.full((2, 2), 7, np.uint8), (7, 7, 7)),
        (np.full((2, 2, 3), (1, 2, 3), np.uint8), (3, 2, 1)),
        (np.full((2, 2, 4), (1, 2, 3, 99), np.uint8), (3, 2, 1)),
        (np.full((2, 2, 1), 9.4, np.float32), (9, 9, 9)),
        (np.full((2, 2, 2), (5, 200), np.uint8), (5, 5, 5)),
        (np.full((2, 2, 5), (1, 2, 3, 4, 5), np.int16), (3, 2, 1)),
        (np.full((2, 2), np.nan), (0, 0, 0)),
        (np.array([[-1.0, 1.0]]), (0, 0, 0)),
        (np.ones((2, 2), bool), (1, 1, 1)),
    ],
)
def test_any_array_is_a_picture(pixels, expected):
    from mmattn.analysis.shown_image import to_rgb

    assert to_rgb(pixels).getpixel((0, 0)) == expected


def test_images_of_one_name_have_files_of_their_own(tmp_path):
    from mmattn.analysis.visualize.show import find_images

    paths = [
        tmp_path / 'one' / 'a.png',
        tmp_path / 'two' / 'a.png',
        tmp_path / 'two' / 'A.jpg',
        tmp_path / 'two' / 'pooling.png',
        tmp_path / 'three' / 'a-2.png',
    ]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b'')
    found = find_images(paths)
    assert list(found.values()) == paths
    assert list(found) == ['a', 'a-2', 'A-3', 'pooling-2', 'a-2-2']


@pytest.mark.parametrize(
    'name', ['$\\frac{$', '$', 'a $x$ b', '行人', 'собака', 'ไทย', '😀', 'two\nlines', 'x' * 300, '\ud800', '%s {0}']
)
def test_a_class_may_be_called_anything(tmp_path, name, capsys, recwarn):
    from mmattn.analysis.visualize.cam import Explanation

    image = Image.new('RGB', (60, 60))
    figure = figures.draw_cam(image, [Explanation(f'{name} 0.93', np.empty((0, 4)), {'Grad-CAM': np.zeros((60, 60))})])
    save_png(figure, tmp_path / 'picture.png')
    title = figure.axes[0].get_title()
    assert not [str(warning.message) for warning in recwarn if 'Glyph' in str(warning.message)]
    assert len(title) <= 36 and title.endswith(' 0.93') and (name[:20] in title or not name.isascii() or '\n' in name)
    assert figure.axes[0].get_window_extent().width > 100


def test_letters_without_a_font_are_transliterated_and_a_line_says_so(monkeypatch, capsys):
    pytest.importorskip('anyascii')
    from mmattn.engine import drawn_text

    monkeypatch.setattr(drawn_text, '_installed', lambda: ())
    monkeypatch.setattr(drawn_text, '_said', set())
    assert drawn_text.drawable('行人') == drawn_text.drawable('行人') == 'XingRen'
    assert capsys.readouterr().err.count("no font for all letters of '行人', so pictures show 'XingRen'") == 1
    monkeypatch.setattr(drawn_text, 'anyascii', None)
    assert drawn_text.drawable('行ệ') == 'U+884C ệ' and drawn_text.drawable('cat, $5') == 'cat, $5'


def test_a_font_that_has_the_letters_is_used(monkeypatch):
    pytest.importorskip('anyascii')
    from mmattn.engine import drawn_text

    fonts = {'DejaVu Sans': frozenset(range(128)), 'Half': frozenset([ord('行')]), 'Whole': frozenset(map(ord, '行人'))}
    monkeypatch.setattr(drawn_text, '_installed', lambda: ('Half', 'Whole'))
    monkeypatch.setattr(drawn_text, '_letters', fonts.__getitem__)
    monkeypatch.setattr(drawn_text, '_path', str)
    drawn_text.families_for.cache_clear()
    assert drawn_text.families_for('行人') == ('DejaVu Sans', 'Half', 'Whole')
    assert drawn_text.in_one_font(['行', '人']) == (['行', '人'], 'Whole')
    assert drawn_text.drawable('行人', drawn_text.families_for('行人')) == '行人'
    assert drawn_text.families_for('cat') == ('DejaVu Sans',)
    assert drawn_text.in_one_font(['cat', '行a']) == (['cat', 'Xinga'], 'DejaVu Sans')
    drawn_text.families_for.cache_clear()


# The page in a browser.

PROBE = """<body><iframe id="page" src="index.html" width="{width}" height="900"></iframe><script>
onload = () => {{
  const view = document.getElementById('page').contentWindow, page = view.document;
  page.querySelectorAll('.enlarge')[1].dispatchEvent(new view.MouseEvent('click', {{bubbles: true, cancelable: true}}));
  const dialog = page.querySelector('dialog'), large = dialog.querySelector('img');
  document.body.dataset.enlarged = dialog.open && large.clientWidth > 1.2 * page.images[1].clientWidth;
  document.body.dataset.shown = [...page.images].filter((image) => image.complete && image.naturalWidth > 0).length;
  document.body.dataset.overflow = page.documentElement.scrollWidth > view.innerWidth;
  document.body.dataset.requests = view.performance.getEntriesByType('resource').map((entry) => entry.name)
    .filter((name) => !name.startsWith('file:') && !name.startsWith('data:')).length;
}};
</script></body>"""


@pytest.mark.skipif(CHROMIUM is None, reason='no chromium on PATH: apt-get install chromium')
@pytest.mark.parametrize('width', [1400, 500])
def test_the_page_in_a_browser(tmp_path, width):
    """Every picture appears and is enlarged on a click, nothing comes from elsewhere or sticks out at the side."""
    names = ['one', 'b#1 & "two"', 'ümläut']
    sections = []
    for name in names:
        figure = figures.draw_pooling({f'layer1.{i}': i / 3 for i in range(3)})
        save_png(figure, tmp_path / f'{name}.png')
        with Image.open(tmp_path / f'{name}.png') as picture:
            pictures = (Picture(name, 'A <caption> & more.', file=f'{name}.png', size=picture.size),) * 2
        table = Table('', '', ('a',) * 9, (TableRow('row', (Cell('a longer cell than usual'),) * 8),))
        sections.append(Section(name, pictures=pictures, table=table, files=(f'{name}.json',)))
    write_page(Page('Title <&>', 'a test', tuple(sections), ('x' * 300,), contents=True), tmp_path / 'index.html')
    assert '<title>Title &lt;&amp;&gt;</title>' in (tmp_path / 'index.html').read_text('utf-8')
    (tmp_path / 'probe.html').write_text(PROBE.format(width=width), 'utf-8')
    environment = {**os.environ, 'HOME': str(tmp_path)}
    result = subprocess.run(
        [
            CHROMIUM,
            '--headless',
            '--no-sandbox',
            '--disable-gpu',
            '--disable-dev-shm-usage',
            '--allow-file-access-from-files',
            f'--user-data-dir={tmp_path / "profile"}',
            f'--window-size={width + 50},1000',
            '--virtual-time-budget=3000',
            '--dump-dom',
            (tmp_path / 'probe.html').as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=90,
        env=environment,
    )
    assert 'data-shown="7"' in result.stdout, result.stdout[-500:] + result.stderr[-500:]  # the enlarged one, too
    assert 'data-enlarged="true"' in result.stdout
    assert 'data-overflow="false"' in result.stdout
    assert 'data-requests="0"' in result.stdout
