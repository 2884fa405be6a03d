"""What a segmentor looks at: Grad-CAM of a class over its pixels, attention weights, the pictures of a test."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from PIL import Image
from torch import nn

pytest.importorskip('mmseg')
cam = pytest.importorskip('pytorch_grad_cam')

from mmattn.analysis.runs.label_pictures import IGNORED, WRONG, LabelExample, draw_label_example  # noqa: E402
from mmattn.analysis.runs.picture_hook import PictureHook  # noqa: E402
from mmattn.analysis.visualize.attention import Recorder  # noqa: E402
from mmattn.analysis.visualize.cam import Choice, Explainer  # noqa: E402
from mmattn.analysis.visualize.figures import draw_cam  # noqa: E402
from mmattn.analysis.visualize.network import Network  # noqa: E402
from mmattn.analysis.visualize.output import PictureFolder  # noqa: E402
from mmattn.analysis.visualize.show import show_images  # noqa: E402
from mmattn.engine import launch  # noqa: E402

CONFIG = """
default_scope = 'mmseg'
norm_cfg = dict(type='GN', num_groups=4)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor', mean=[120, 120, 120], std=[60, 60, 60], bgr_to_rgb=True,
                           test_cfg=dict(size_divisor=32)),
    backbone=dict(type='mmattn.SDAResNet', depth=None, stage_blocks=(2, 1, 1, 1), base_channels=8, norm_cfg=norm_cfg,
                  strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), frozen_stages=1, with_cp=True),
    NECK
    decode_head=dict(type='DepthwiseSeparableASPPHead', in_channels=IN, in_index=INDEX, channels=8,
                     dilations=(1, 2), c1_in_channels=32, c1_channels=4, dropout_ratio=0, num_classes=3,
                     norm_cfg=norm_cfg, align_corners=False),
    train_cfg=dict(), test_cfg=dict(mode='whole'))
test_dataloader = dict(dataset=dict(metainfo=dict(classes=('sky', 'road', 'car')), pipeline=[
    dict(type='LoadImageFromFile'), dict(type='Resize', scale=(64, 64), keep_ratio=True), dict(type='LoadAnnotations'),
    dict(type='PackSegInputs')]))
"""


def load(folder, neck=''):
    """A tiny DeepLabV3+ with random weights."""
    from mmengine.registry import MODELS, init_default_scope

    text = CONFIG.replace('NECK', neck).replace('IN,', '32,' if neck else '256,').replace('INDEX', '3')
    (folder / 'tiny.py').write_text(text)
    cfg = launch.load_config(str(folder / 'tiny.py'))
    launch.register_modules(cfg)
    init_default_scope('mmseg')
    torch.manual_seed(1)
    model = MODELS.build(cfg.model)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=2 * parameter[0].numel() ** -0.5)
    torch.save(dict(state_dict=model.state_dict()), folder / 'weights.pth')
    return Network(cfg, folder / 'weights.pth', 'cpu')


@pytest.fixture(scope='module')
def network(tmp_path_factory):
    return load(tmp_path_factory.mktemp('segmentor'))


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp('images') / 'a.png'
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 48, 3), dtype=np.uint8)).save(file)
    return file


def test_heat_maps_are_those_of_the_package_for_the_pixels_of_a_class(network, path):
    from pytorch_grad_cam.utils.model_targets import SemanticSegmentationTarget

    image = network.open(path)
    assert image.image.size == (64, 32) and network.kind == 'segmentor'
    explanations = Explainer(network, ['gradcam', 'layercam']).explain(image, Choice(limit=2))
    _, labels = network.segment(image)
    areas = labels.reshape(-1).bincount(minlength=3)

    class Logits(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = network.model

        def forward(self, inputs):
            return self.model.encode_decode(inputs, [image.samples[0].metainfo])

    for explanation, label in zip(explanations, areas.argsort(descending=True).tolist()):
        region = (labels == label).numpy()
        np.testing.assert_array_equal(explanation.region, region)
        name = network.classes.name(label)
        assert explanation.title == f'{name}: {100 * region.mean():.1f} % of the pixels' and not len(explanation.boxes)
        for title, method in (('Grad-CAM', cam.GradCAM), ('LayerCAM', cam.LayerCAM)):
            with method(Logits(), [network.model.backbone.layer4]) as package:
                expected = package(image.inputs.clone(), [SemanticSegmentationTarget(label, region)])[0]
            np.testing.assert_allclose(explanation.heat[title], expected, atol=4e-5)


def test_padding_is_neither_explained_nor_shown(tmp_path, path):
    with Image.open(path) as small:
        small.resize((48, 40)).save(tmp_path / 'a.png')
    network = load(tmp_path)
    image = network.open(tmp_path / 'a.png')
    assert image.image.size == (64, 53) and image.padded_size == (64, 64)
    logits, labels = network.segment(image)
    assert logits.shape == (3, 53, 64) and labels.shape == (53, 64) and logits.requires_grad
    [explanation] = Explainer(network, ['gradcam']).explain(image, Choice(limit=1))
    assert explanation.region.shape == explanation.heat['Grad-CAM'].shape == (53, 64)


def test_a_class_that_is_asked_for_is_explained_even_where_it_is_not_predicted(network, path, monkeypatch):
    image = network.open(path)
    logits, labels = network.segment(image)
    monkeypatch.setattr(network, 'segment', lambda image: (logits_of(network, image), torch.zeros_like(labels)))

    def logits_of(network, image):
        return network.model.encode_decode(image.inputs.clone().requires_grad_(), [image.samples[0].metainfo])[0]

    [explanation] = Explainer(network, ['gradcam']).explain(image, Choice(classes=[2]))
    assert explanation.title == 'car: not predicted' and not explanation.region.any()
    draw_cam(image.image, [explanation])


def test_the_neck_of_a_segmentor_is_looked_at_with_all_its_levels(tmp_path, path):
    neck = "neck=dict(type='FPN', in_channels=[32, 64, 128, 256], out_channels=32, num_outs=4),"
    network = load(tmp_path, neck)
    explainer = Explainer(network, ['gradcam'])
    assert explainer.layer == 'neck' and not explainer.last_only
    image = network.open(path)
    [explanation] = explainer.explain(image, Choice(limit=1))
    assert explanation.heat['Grad-CAM'].shape == (32, 64)


@pytest.mark.slow
def test_pictures_of_an_image_show_outlines_and_depth_attention(network, path, tmp_path):
    output = PictureFolder(tmp_path, 'title', [])
    assert show_images(network, output, {'a': path}, ['depth'], Explainer(network, ['gradcam']), Choice(limit=2)) == []
    output.write_page()
    [section] = output.sections
    assert [picture.file for picture in section.pictures] == ['a_cam.png', 'a_depth.png']
    assert 'predicted to be of it (outlined)' in section.pictures[0].caption
    with Recorder(network.model, ['depth']) as recorder:
        network.run_backbone(network.open(path))
        assert [reading.name for reading in recorder.take()['depth']] == ['layer1', 'layer2', 'layer3', 'layer4']


# Pictures of a test.


def test_an_example_shows_truth_prediction_and_wrong_pixels_side_by_side():
    truth, predicted = np.zeros((10, 20), int), np.zeros((10, 20), int)
    truth[:, 10:], predicted[:, 5:], truth[:5, :5] = 1, 1, 255
    example = LabelExample(
        Image.new('RGB', (20, 10), 'white'), truth, predicted, ('background', 'red'), ((0, 0, 0), (200, 0, 0))
    )
    shown = np.asarray(draw_label_example(example, 100)).astype(int)
    first, second, third = (8 + panel * 108 for panel in range(3))
    tinted = [227, 128, 128]
    for left, x, y, color in (
        (first, 30, 10, [255, 255, 255]),
        (first, 80, 25, tinted),
        (second, 35, 25, tinted),
        (second, 10, 35, [255, 255, 255]),
        (third, 37, 25, (0.75 * np.array(WRONG) + 64).round()),
        (third, 10, 10, (0.75 * np.array(IGNORED) + 64).round()),
        (third, 80, 25, [255, 255, 255]),
    ):
        assert abs(shown[40 + y, left + x] - color).max() <= 1, (left, x, y)
    alone = draw_label_example(LabelExample(example.image, None, predicted, example.names, example.colors), 100)
    assert alone.size == (100, 50 + 2 * 26)


def test_the_hook_draws_truth_beside_prediction(tmp_path):
    from mmcv.transforms import LoadImageFromFile
    from mmseg.structures import SegDataSample

    path = tmp_path / 'in.png'
    Image.new('RGB', (48, 24), 'grey').save(path)

    class Images:
        metainfo = dict(classes=('background', 'red'), palette=[[0, 0, 0], [250, 0, 0]])
        ignore_index = 7
        pipeline = SimpleNamespace(transforms=[LoadImageFromFile()])

        def __len__(self):
            return 1

        def get_data_info(self, index):
            return dict(img_path=str(path))

    sample = SegDataSample(metainfo=dict(img_path=str(path)))
    sample.pred_sem_seg = PixelData(data=torch.ones(1, 24, 48).long())
    sample.gt_sem_seg = PixelData(data=torch.full((1, 24, 48), 7))
    hook = PictureHook(tmp_path / 'out')
    runner = SimpleNamespace(test_dataloader=SimpleNamespace(dataset=Images(), batch_size=1))
    hook.before_test_epoch(runner)
    hook.after_test_iter(runner, 0, dict(inputs=[]), [sample])
    with Image.open(tmp_path / 'out/in.png') as picture:
        assert picture.width == 8 + 3 * 648
        shown = np.asarray(picture.convert('RGB')).astype(int)
    assert shown[200, 8 + 648 + 300, 0] > 120 and abs(shown[200, 8 + 2 * 648 + 300] - 128).max() < 40
    del sample.gt_sem_seg
    hook.after_test_iter(runner, 0, dict(inputs=[]), [sample])
    with Image.open(tmp_path / 'out/in.png') as picture:
        assert picture.width == 640
