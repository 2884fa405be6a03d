"""Files with weights of 16 bits and layers of 8 bits, files that OpenVINO runs, and predictions of files."""

from __future__ import annotations

import importlib.util
import io
import json

import numpy as np
import pytest
import torch
from commands import ROOT
from small_models import config

pytest.importorskip('onnxscript')
pytest.importorskip('mmdet')

from mmattn.analysis.predict import Predictor  # noqa: E402
from mmattn.analysis.runs.model import find_model  # noqa: E402
from mmattn.errors import UserError  # noqa: E402
from mmattn.export.opening import opened  # noqa: E402
from mmattn.export.predictor import ExportedPredictor  # noqa: E402
from mmattn.export.reduced import with_half_weights, with_int8_layers  # noqa: E402
from mmattn.export.runner import Exported, read  # noqa: E402

IMAGES = sorted((ROOT / 'demo/nuclei_mini/images').iterdir())[:4]
DETECTOR = 'demo/mask_rcnn_sda_nuclei.py'
CLASSIFIER = 'demo/imagenet_style_signs.py'


@pytest.fixture(scope='module')
def classifier(exported):
    return exported(CLASSIFIER, lambda: config(CLASSIFIER)) / 'small.onnx'


@pytest.fixture(scope='module')
def detector(exported):
    return exported(DETECTOR, lambda: config(DETECTOR))


def written(model, path):
    import onnx

    onnx.save(model, path)
    return path


def logits(path):
    exported = Exported(path)
    return np.concatenate([exported.run(read(image)[None])['logits'] for image in IMAGES])


@pytest.mark.slow
def test_half_weights_take_half_the_space_and_change_logits_little(classifier, tmp_path):
    import onnx

    half = written(with_half_weights(onnx.load(classifier)), tmp_path / 'half.onnx')
    assert half.stat().st_size < 0.75 * classifier.stat().st_size
    whole, found = logits(classifier), logits(half)
    assert 0 < np.abs(found - whole).max() < 1e-2 * np.abs(whole).max()
    assert Exported(half).info == dict(Exported(classifier).info, precision='float16')


@pytest.mark.slow
def test_weights_that_16_bits_cannot_hold_are_refused_by_name(classifier):
    import onnx
    from onnx import numpy_helper

    model = onnx.load(classifier)
    large = max(model.graph.initializer, key=lambda tensor: np.prod(tensor.dims))
    values = numpy_helper.to_array(large) * 1e8
    large.CopyFrom(numpy_helper.from_array(values, large.name))
    with pytest.raises(UserError, match='too large for 16 bits'):
        with_half_weights(model)


@pytest.mark.slow
def test_int8_layers_quantise_every_convolution_and_keep_the_rest(classifier, tmp_path):
    import onnx

    model = onnx.load(classifier)
    convolutions = sum(node.op_type == 'Conv' for node in model.graph.node)
    quantised = with_int8_layers(model, IMAGES)
    produced = {name: node.op_type for node in quantised.graph.node for name in node.output}
    inputs = [node.input for node in quantised.graph.node if node.op_type == 'Conv']
    assert len(inputs) == convolutions
    assert all(produced[name] == 'DequantizeLinear' for names in inputs for name in names[:2])
    whole, found = logits(classifier), logits(written(quantised, tmp_path / 'int8.onnx'))
    assert 0 < np.abs(found - whole).max() < 0.3 * np.abs(whole).max()
    assert json.loads(quantised.metadata_props[0].value)['precision'] == 'int8'


@pytest.mark.slow
def test_int8_layers_leave_products_of_two_feature_maps_as_they_are(detector):
    import onnx

    model = onnx.load(detector / 'small.onnx')
    weights = {tensor.name for tensor in model.graph.initializer}
    products = [n.name for n in model.graph.node if n.op_type == 'MatMul' and weights.isdisjoint(n.input)]
    assert len(products) >= 2  # two of them enlarge the masks
    quantised = with_int8_layers(model, IMAGES)
    produced = {name: node.op_type for node in quantised.graph.node for name in node.output}
    for node in quantised.graph.node:
        if node.name in products:
            assert all(produced[name] != 'DequantizeLinear' for name in node.input)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec('openvino') is None, reason='needs openvino')
def test_openvino_finds_what_onnxruntime_finds(detector):
    path = detector / 'small.onnx'
    ours, theirs = opened(path), opened(path, 'openvino')
    for image in IMAGES:
        wanted, found = (exported.run(read(image)[None]) for exported in (ours, theirs))
        assert wanted.keys() == found.keys() and len(wanted['boxes'])
        assert len(found['boxes']) == len(wanted['boxes'])
        assert np.abs(found['scores'] - wanted['scores']).max() < 1e-4


@pytest.mark.slow
def test_a_file_predicts_what_its_model_predicts(detector):
    cfg, checkpoint, _ = find_model(str(detector / 'small.py'), detector / 'weights.pth')
    model, file = Predictor(cfg, checkpoint, threshold=0.1), ExportedPredictor(detector / 'small.onnx', threshold=0.1)
    assert file.classes == model.classes and file.kind == 'detector'
    count = 0
    for wanted, found in zip(model(IMAGES), file(IMAGES), strict=True):
        assert found.names == wanted.names
        assert torch.allclose(found.scores, wanted.scores, atol=1e-4)
        assert found.masks is not None and found.masks.shape == wanted.masks.shape
        count += len(found)
    assert count


@pytest.mark.slow
def test_a_file_predicts_tiles_and_chosen_classes(detector):
    from mmattn.analysis.predict import Tiles

    (found,) = ExportedPredictor(detector / 'small.onnx', threshold=0.1, tiles=Tiles(128, 0.2), batch=4)(IMAGES[:1])
    assert len(found)
    with pytest.raises(UserError, match="'cell' is no class"):
        ExportedPredictor(detector / 'small.onnx', classes=['cell'])


@pytest.mark.slow
def test_a_classifier_file_names_the_likeliest_classes(classifier):
    (found,) = ExportedPredictor(classifier)(IMAGES[:1])
    assert len(found.labels) == 5 and found.scores == sorted(found.scores, reverse=True)
    from mmattn.analysis.predict import Tiles

    with pytest.raises(UserError, match='no detector'):
        ExportedPredictor(classifier, tiles=Tiles(64, 0.2))


@pytest.mark.parametrize('name, content', [('lost.onnx', None), ('empty.onnx', b''), ('other.pt2', b'PK\x05\x06')])
def test_what_is_no_exported_file_is_one_line(name, content, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as refused:
        opened(tmp_path / name)
    assert name in str(refused.value) and '\n' not in str(refused.value)


class Harm:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


@pytest.mark.slow
def test_what_is_pickled_in_a_file_of_torch_export_is_not_executed(exported, tmp_path):
    import zipfile

    good = exported('reduced_pt2', lambda: config(CLASSIFIER), suffix='.pt2') / 'small.pt2'
    assert len(opened(good).classes) == 10
    buffer, harmful, harmed = io.BytesIO(), tmp_path / 'harmful.pt2', tmp_path / 'harmed'
    torch.save(Harm(harmed), buffer)
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(harmful, 'w') as target:
        for entry in source.namelist():
            inputs = 'sample_inputs' in entry
            target.writestr(entry, buffer.getvalue() if inputs else source.read(entry))
        assert any('sample_inputs' in entry for entry in source.namelist())
    with pytest.raises(UserError, match='tensors alone'):
        opened(harmful)
    assert not harmed.exists()
    torch.load(io.BytesIO(buffer.getvalue()), weights_only=False)
    assert harmed.exists()  # as it would have been
