"""Exported detectors find in image files what mmdet's own prediction finds in them, at any size."""

from __future__ import annotations

from functools import cache

import pytest

pytest.importorskip('mmdet')

import numpy as np  # noqa: E402
import onnx  # noqa: E402
from commands import ROOT  # noqa: E402
from mmengine.config import Config  # noqa: E402
from PIL import Image  # noqa: E402
from same_objects import assert_same_objects  # noqa: E402
from small_models import config, stock  # noqa: E402

from mmattn.engine.trained import load_trained  # noqa: E402
from mmattn.export.runner import Exported, read  # noqa: E402
from mmattn.export.verify.reference import Reference  # noqa: E402

pytestmark = pytest.mark.slow

NUCLEI = sorted((ROOT / 'demo' / 'nuclei_mini' / 'images').glob('*.png'))[0]
PHOTOGRAPH = sorted((ROOT / 'tests' / 'fixtures' / 'blood_cells' / 'JPEGImages').glob('*.jpg'))[0]
AGNOSTIC = {'model.roi_head.bbox_head.reg_class_agnostic': True, 'model.test_cfg.rcnn.nms.class_agnostic': True}
NUCLEI_CONFIG = 'demo/mask_rcnn_sda_nuclei.py'
FASTER_CONFIG = 'sda/faster-rcnn_fcanet50_fpn_1x_coco.py'
# Detectors that take several images.
SEVERAL = ('epsanet/retinanet_epsanet50_fpn_1x_coco.py', 'ema/yolox-s_ema_8xb8_coco.py')
DETECTORS = {
    # One class, SDA, GroupNorm, validation images with AP.
    NUCLEI_CONFIG: lambda: config(NUCLEI_CONFIG),
    # 80 classes, mmdet's ResNet, masks and regression alike for all classes.
    'mask_rcnn_agnostic': lambda: stock(
        'mask-rcnn_r50_fpn', {'model.roi_head.mask_head.class_agnostic': True, **AGNOSTIC}
    ),
    **{name: lambda name=name: config(name) for name in (FASTER_CONFIG, *SEVERAL)},
}


@cache
def mmdet_model(folder):
    """The model of an exported file, as mmdet's `init_detector` returns it."""
    cfg = Config.fromfile(folder / 'small.py')
    model = load_trained(cfg, folder / 'weights.pth').model
    model.cfg = cfg
    return model


def by_mmdet(folder, path):
    """What mmdet finds in an image file, which it reads itself."""
    from mmdet.apis import inference_detector

    found = inference_detector(mmdet_model(folder), str(path)).pred_instances
    values = dict(boxes=found.bboxes, scores=found.scores, labels=found.labels)
    if 'masks' in found:
        values['masks'] = found.masks
    return {name: np.asarray(value) for name, value in values.items()}


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    """Image files: landscape, portrait, a few pixels, narrow."""
    folder = tmp_path_factory.mktemp('pictures')
    photograph = Image.open(PHOTOGRAPH)
    made = {
        'portrait.jpg': photograph.rotate(90, expand=True).crop((0, 40, 233, 501)),
        'tiny.png': photograph.resize((7, 5)),
        'row.png': photograph.resize((90, 2)),
        'column.png': photograph.resize((3, 150)),
    }
    for name, image in made.items():
        image.save(folder / name)
    return [PHOTOGRAPH, *(folder / name for name in made)]


@pytest.mark.parametrize('name', DETECTORS)
def test_detections_in_image_files_equal_those_of_mmdet_at_any_size(name, exported, pictures):
    folder = exported(name, DETECTORS[name])
    model = Exported(folder / 'small.onnx', threads=1)
    labels, count = set(), 0
    # An untrained network has boxes of equal scores where an image is of one colour, as those of the demo are.
    for path in [NUCLEI, *pictures] if name == NUCLEI_CONFIG else pictures:
        wanted = by_mmdet(folder, path)
        found = model(path, threshold=0)
        count += assert_same_objects(found, wanted)
        labels |= set(wanted['labels'].tolist())
        assert found['names'] == [model.classes[label] for label in found['labels']]
        assert (np.diff(found['scores']) <= 0).all()
    pixel = model(np.full((1, 1, 3), 99, np.uint8), threshold=0)  # of one colour, whose boxes have equal scores
    assert all(np.isfinite(value).all() for name, value in pixel.items() if name != 'names')
    assert count > 20
    assert len(labels) == 1 if name == NUCLEI_CONFIG else len(labels) > 1


@pytest.mark.parametrize('name', SEVERAL)
def test_batch_of_a_one_stage_detector_has_what_its_images_have_alone(name, exported):
    folder = exported(name, DETECTORS[name])
    model = Exported(folder / 'small.onnx', threads=1)
    photograph = Image.open(PHOTOGRAPH)
    for size in ((160, 120), (90, 130), (8, 8)):
        images = np.stack([read(photograph.transpose(turn).resize(size)) for turn in (0, 1, 3)])
        images[1] = 0
        for count in (1, 3):
            found = model.run(images[:count])
            assert set(found['image'].tolist()) <= set(range(count))
            for number in range(count):
                rows = found['image'] == number
                alone = model.run(images[number : number + 1])
                mine = {key: value[rows] for key, value in found.items()}
                assert_same_objects(mine, alone)
                assert (np.diff(mine['scores']) <= 0).all()


def test_file_without_resizing_equals_mmdet_at_sizes_below_the_strides(exported):
    """Feature maps of a pixel, a row or a column, on which mmdet's own prediction is right, too."""
    folder = exported('faster_rcnn', lambda: stock('faster-rcnn_r50_fpn'), resized=False)
    model = Exported(folder / 'small.onnx', threads=1)
    assert model.info['resized'] is False
    detector = mmdet_model(folder)
    reference, count = Reference(detector.cfg, detector, resized=False), 0
    for size in ((1, 1), (8, 5), (31, 33), (3, 200), (300, 2), (64, 64), (150, 110)):
        pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
        count += assert_same_objects(model.run(pixels[None]), reference.objects(pixels))
    assert count > 20


def test_two_stage_detector_refuses_several_images(exported):
    model = Exported(exported(FASTER_CONFIG, DETECTORS[FASTER_CONFIG]) / 'small.onnx', threads=1)
    with pytest.raises(ValueError, match='one image at a time, not 2'):
        model.run(np.zeros((2, 40, 50, 3), np.uint8))


@pytest.mark.parametrize('name', [NUCLEI_CONFIG, SEVERAL[1]])
def test_image_that_shrinks_to_nothing_is_an_error_as_in_mmdet(name, exported):
    model = Exported(exported(name, DETECTORS[name]) / 'small.onnx', threads=1)
    with pytest.raises(ValueError, match='cannot take 1 .*1000 x 1 pixels'):
        model.run(np.zeros((1, 1, 1000, 3), np.uint8))


def test_image_in_which_nothing_is_found_has_no_objects(exported, pictures, tmp_path):
    """Boxes, scores, labels and masks are empty, of the shapes that they have with objects."""
    name = 'mask_rcnn_agnostic'
    graph = onnx.load(exported(name, DETECTORS[name]) / 'small.onnx')
    (weight,) = (tensor for tensor in graph.graph.initializer if tensor.name.endswith('fc_cls.weight'))
    values = onnx.numpy_helper.to_array(weight).copy()
    values[-1] = 1e4  # all is background, as features before the layer are positive
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    onnx.save(graph, tmp_path / 'nothing.onnx')
    model = Exported(tmp_path / 'nothing.onnx', threads=1)
    for path in (NUCLEI, *pictures[:2]):
        found, (height, width) = model(path, threshold=0), read(path).shape[:2]
        shapes = {name: found[name].shape for name in ('boxes', 'scores', 'labels', 'masks')}
        assert shapes == dict(boxes=(0, 4), scores=(0,), labels=(0,), masks=(0, height, width))
        assert found['names'] == []


@pytest.mark.parametrize('name', DETECTORS)
def test_file_of_detector_has_operators_of_onnx_only_and_says_what_it_is(name, exported):
    folder = exported(name, DETECTORS[name])
    model = onnx.load(folder / 'small.onnx')
    assert {node.domain for node in model.graph.node} == {''} and not model.functions
    assert [(one.domain, one.version) for one in model.opset_import] == [('', 18)]
    info = Exported(folder / 'small.onnx').info
    assert info['opset'] == 18 and info['task'] == ('masks' if 'mask' in name else 'boxes')
    assert len(info['config_sha256']) == len(info['weights_sha256']) == 64
    assert info['one_by_one'] == (name not in SEVERAL)
    assert {'score_thr', 'nms_iou'} <= info['thresholds'].keys()
