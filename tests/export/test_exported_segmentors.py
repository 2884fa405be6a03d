"""Segmentors as one graph: the labels that mmsegmentation predicts, of every head, in every size."""

from __future__ import annotations

import json

import pytest

pytest.importorskip('mmseg')

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import torch  # noqa: E402
from commands import ROOT, fresh  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from PIL import Image  # noqa: E402
from small_models import config  # noqa: E402
from small_segmentors import LOAD, NUCLEI, PACK, RESIZE, built, head, segmentor  # noqa: E402

from mmattn.analysis.predict import Predictor  # noqa: E402
from mmattn.engine.trained import Trained  # noqa: E402
from mmattn.export.grid_pooling import GridPooling  # noqa: E402
from mmattn.export.opening import opened  # noqa: E402
from mmattn.export.parts import parts_of  # noqa: E402
from mmattn.export.predictor import ExportedPredictor  # noqa: E402
from mmattn.export.runner import Exported, read  # noqa: E402
from mmattn.export.supported import DECODE_HEADS  # noqa: E402
from mmattn.export.verify.reference import Reference  # noqa: E402

DEMO = 'demo/deeplabv3plus_sda_nuclei.py'
IMAGES = sorted((NUCLEI / 'images').iterdir())[:3]
# Width and height: of the network, larger, odd, narrow.
SIZES = ((96, 64), (133, 91), (60, 111), (200, 33))
MODELS = {
    **{f'{kind}, align_corners={align}': (head(kind, align_corners=align), None) for kind in DECODE_HEADS
       for align in (False, True)},
    'padded to a size': (head('DepthwiseSeparableASPPHead'), dict(size=(80, 128))),
    'padded to a size smaller than some images': (head('FCNHead', num_convs=1), dict(size=(70, 70))),
    'padded to a multiple': (head('UPerHead', align_corners=True), dict(size_divisor=32)),
    'one channel for two classes': (head('PSPHead', num_classes=2, out_channels=1, threshold=0.4), None),
    'more classes than 8 bits hold': (head('FCNHead', num_classes=300), None),
}  # fmt: skip


def picture(size):
    return read(Image.open(IMAGES[1]).convert('RGB').resize(size))


def parts(cfg, model, **options):
    return parts_of(cfg, Trained(model, None), 'weights.pth', **options)


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield


def logits_of(reference, image):
    """What mmsegmentation compares to label each pixel, (classes, H, W)."""
    model, kept = reference._model, []
    with pytest.MonkeyPatch.context() as patch:
        step = model.test_step
        patch.setattr(model, 'test_step', lambda data: kept.append(step(data)) or kept[-1])
        reference.labels(image)
    return kept[0][0].seg_logits.data


@pytest.mark.parametrize('name', MODELS)
def test_graph_of_segmentor_finds_what_mmsegmentation_predicts(name):
    decode_head, padding = MODELS[name]
    cfg = segmentor(decode_head, padding)
    model = built(cfg)
    made = parts(cfg, model, scores=True)
    reference, classes = Reference(cfg, model), set()
    for size in SIZES:
        image = picture(size)
        with torch.no_grad():
            labels, scores = made.network.module(*made.pixels.module(torch.from_numpy(image[None])))
        wanted = reference.labels(image)
        assert labels.shape == scores.shape == (1, *image.shape[:2])
        assert labels.dtype == (torch.int64 if decode_head['num_classes'] > 256 else torch.uint8)
        # A pixel that two classes claim alike goes either way by the rounding of the folded norms.
        differ = labels[0] != torch.from_numpy(wanted)
        if differ.any():
            logits = logits_of(reference, image)
            found, other = (logits.gather(0, one.long()[None])[0] for one in (labels[0], torch.from_numpy(wanted)))
            assert (found - other)[differ].abs().max() <= 1e-5 * logits.abs().max() and differ.sum() <= 2
        assert ((scores >= 0) & (scores <= 1)).all()
        classes |= set(wanted.flat)
    assert len(classes) > 1


@pytest.mark.slow
def test_program_traced_at_one_size_is_right_at_others_and_for_several_images():
    """Nothing of the size traced with is kept: pooling to a grid, padding, mmsegmentation's hints about sizes."""
    cfg = segmentor(head('UPerHead', align_corners=True), dict(size_divisor=32))
    model = built(cfg)
    made = parts(cfg, model)
    pixels, network = made.pixels.module, made.network.program().module()
    reference = Reference(cfg, model)
    for size in SIZES:
        image = picture(size)
        pair = np.stack([image, image[::-1]])
        with torch.no_grad():
            (labels,) = network(*pixels(torch.from_numpy(pair)))
        wanted = np.stack([reference.labels(one) for one in (image, np.ascontiguousarray(image[::-1]))])
        assert (labels.numpy() != wanted).mean() <= 1e-4


@pytest.fixture(scope='module')
def folder(exported):
    """A folder with small.py, weights.pth, and small.onnx, which was compared with the model."""
    return exported(DEMO, lambda: config(DEMO))


@pytest.mark.slow
def test_segmentor_is_exported_and_verified(folder):
    record = json.loads((folder / 'small.onnx.json').read_text())
    (verification,) = record['verification'].values()
    assert verification['passed'] and verification['images'] == 7 + 3
    assert [check['what'].split()[0] for check in verification['checks']] == ['pixels', 'pixels', 'mIoU']
    assert record['task'] == 'labels' and record['outputs'] == ['labels']
    (labels,) = onnx.load(folder / 'small.onnx').graph.output
    assert [size.dim_param for size in labels.type.tensor_type.shape.dim] == ['images', 'height', 'width']
    assert record['classes'] == ['background', 'nucleus'] and record['palette'] == [[0, 0, 0], [220, 20, 60]]


@pytest.mark.slow
def test_file_of_segmentor_predicts_what_its_model_predicts(folder):
    cfg = Config.fromfile(folder / 'small.py')
    model, file = Predictor(cfg, folder / 'weights.pth'), ExportedPredictor(folder / 'small.onnx')
    assert file.kind == model.kind == 'segmentor' and file.classes == model.classes
    for wanted, found in zip(model(IMAGES), file(IMAGES), strict=True):
        assert found.labels.dtype == np.uint8 and found.labels.shape == wanted.labels.shape
        assert (found.labels != wanted.labels).mean() <= 1e-4
        assert (found.names, found.colors) == (wanted.names, wanted.colors)


@pytest.mark.slow
def test_runner_prints_classes_with_areas_and_saves_label_pictures(folder, tmp_path):
    runner = ROOT / 'mmattn' / 'export' / 'runner.py'
    result = fresh(runner, folder / 'small.onnx', *IMAGES, tmp_path / 'none.png', '--out', tmp_path)
    assert result.returncode == 1 and 'none.png' in result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    for path in IMAGES:
        found = Exported(folder / 'small.onnx', threads=1)(path)
        mine = [line for line in lines if line['image'] == str(path)]
        assert {line['name']: line['pixels'] for line in mine} == found['areas']
        assert sum(line['share'] for line in mine) == pytest.approx(1, abs=1e-3)
        with Image.open(tmp_path / f'{path.stem}.png') as saved:
            assert saved.mode == 'P' and (np.asarray(saved) == found['labels']).all()
            assert saved.size == Image.open(path).size


@pytest.mark.slow
def test_runner_replaces_neither_the_image_nor_the_labels_of_another_of_its_name(folder, tmp_path):
    image, other = tmp_path / 'image.png', tmp_path / 'other' / 'image.png'
    other.parent.mkdir()
    image.write_bytes(IMAGES[0].read_bytes())
    other.write_bytes(IMAGES[1].read_bytes())
    runner = ROOT / 'mmattn' / 'export' / 'runner.py'
    result = fresh(runner, folder / 'small.onnx', image, '--out', tmp_path)
    assert result.returncode == 1 and 'would replace the image' in result.stderr
    assert image.read_bytes() == IMAGES[0].read_bytes()
    result = fresh(runner, folder / 'small.onnx', image, other, '--out', tmp_path / 'labels')
    assert result.returncode == 1 and 'is that of another image of this name' in result.stderr
    assert Image.open(tmp_path / 'labels' / 'image.png').size == Image.open(image).size


@pytest.mark.slow
def test_segmentor_is_exported_and_verified_by_torch_export_without_resizing(exported):
    cfg = segmentor(head('FCNHead', num_convs=1), dict(size=(70, 70)), pipeline=(LOAD, RESIZE, PACK))
    folder = exported('segmentor-torch', lambda: cfg, suffix='.pt2', resized=False, scores=True)
    (verification,) = json.loads((folder / 'small.pt2.json').read_text())['verification'].values()
    assert verification['passed'] and verification['notes'] == [
        'mIoU was not compared: no label picture has pixels of a class and the size of its image'
    ]
    file = opened(folder / 'small.pt2')
    found = file.run(np.zeros((2, 5, 70, 3), np.uint8))
    assert found['labels'].shape == found['scores'].shape == (2, 5, 70)
    found = file(IMAGES[0])
    assert found['labels'].shape == found['scores'].shape == Image.open(IMAGES[0]).size[::-1]
    assert sum(found['areas'].values()) == found['labels'].size and found['areas'].keys() <= set(file.classes)


@pytest.mark.parametrize('size', [(1, 1), (6, 6), (7, 13), (40, 3)])
def test_grid_pooling_equals_adaptive_pooling(size):
    x = torch.rand(2, 3, *size, dtype=torch.double)
    for grid in (2, 3, 6):
        wanted = torch.nn.functional.adaptive_avg_pool2d(x, grid)
        torch.testing.assert_close(GridPooling(grid, grid)(x), wanted)
