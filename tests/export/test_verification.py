"""A file that gives other answers than its model is not written, and what was there stays."""

from __future__ import annotations

import itertools
import runpy
import sys

import pytest

pytest.importorskip('mmdet')
pytest.importorskip('mmpretrain')

import numpy as np  # noqa: E402
import onnx  # noqa: E402
from commands import ROOT  # noqa: E402
from onnx import numpy_helper  # noqa: E402
from small_models import config  # noqa: E402

from mmattn.export import onnx_file  # noqa: E402
from mmattn.export.verify import Check, Verification  # noqa: E402
from mmattn.export.verify.detector import pairs  # noqa: E402

MODELS = ('demo/imagenet_style_signs.py', 'sda/faster-rcnn_fcanet50_fpn_1x_coco.py')
SEGMENTOR = 'demo/deeplabv3plus_sda_nuclei.py'


def scaled(value):
    return value * np.float32(1.1)


def nan_at_one_place(value):
    value = value.copy()
    value.reshape(-1)[0] = np.nan
    return value


def damaged(model: onnx.ModelProto, change) -> onnx.ModelProto:
    """The graph with its largest weights changed."""
    largest = max(model.graph.initializer, key=lambda weight: np.prod(weight.dims) * (weight.data_type == 1))
    largest.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(largest)), largest.name))
    return model


@pytest.fixture
def run_tool(monkeypatch, capfd):
    """``run_tool(*arguments)`` runs tools/export.py in this process: its exit status and what it printed."""

    def of(*arguments):
        monkeypatch.setattr(sys, 'argv', ['export.py', *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(ROOT / 'tools' / 'export.py'), run_name='__main__')
        return end.value.code, *capfd.readouterr()

    return of


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'change'),
    # The segmentor's GroupNorm makes up for weights that are scaled.
    [*itertools.product(MODELS, (scaled, nan_at_one_place)), (SEGMENTOR, nan_at_one_place)],
)
def test_damaged_file_is_not_written_and_the_old_one_stays(name, change, exported, run_tool, monkeypatch, tmp_path):
    if name == SEGMENTOR:
        pytest.importorskip('mmseg')
    folder = exported(name, lambda: config(name))
    model = damaged(onnx.load(folder / 'small.onnx'), change)
    monkeypatch.setattr(onnx_file, 'onnx_model', lambda parts: model)  # in place of the one that the exporter makes
    out = tmp_path / 'model.onnx'
    out.write_bytes(b'the old file')
    (tmp_path / 'model.onnx.json').write_text('{"old": true}')
    status, printed, errors = run_tool(folder / 'small.py', folder / 'weights.pth', '--out', out, '--images', '3')
    assert status == 1
    assert 'TOO FAR' in printed
    assert f'{out} is not written, as it gives other answers than the model' in errors
    assert out.read_bytes() == b'the old file'
    assert (tmp_path / 'model.onnx.json').read_text() == '{"old": true}'
    assert len(list(tmp_path.iterdir())) == 2


def test_nan_passes_no_check():
    for limits in (dict(limit=1e-4), dict(limit=0.999, least=True)):
        check = Check('difference', float('nan'), **limits)
        assert not check.passed and 'TOO FAR' in check.line()
        assert not Verification([Check('fine', 0.0, 1.0), check], 3, 'images').passed
    assert not Verification([], 0, 'nothing').passed


def objects(*rows):
    values = np.array(rows, float).reshape(-1, 6)
    return dict(boxes=values[:, :4], scores=values[:, 4], labels=values[:, 5].astype(int))


def test_detections_pair_up_by_class_place_and_score_each_once():
    wanted = objects((0, 0, 10, 10, 0.9, 0), (20, 20, 40, 40, 0.5, 1), (20, 20, 40, 40, 0.5, 1))
    assert pairs(wanted, wanted) == [(0, 0), (1, 1), (2, 2)]
    assert pairs(wanted, objects((20, 20, 40, 40, 0.5, 1))) == [(1, 0)]
    assert pairs(wanted, objects()) == pairs(objects(), wanted) == []
    for other in (
        (0, 0, 10, 10, 0.9, 1),  # another class
        (0, 0, 10, 10.2, 0.9, 0),  # IoU 0.98
        (0, 0, 10, 10, 0.902, 0),  # another score
        (0, 0, 10, float('nan'), 0.9, 0),
        (0, 0, 10, 10, float('nan'), 0),
    ):
        assert pairs(objects((0, 0, 10, 10, 0.9, 0)), objects(other)) == [], other
    assert pairs(objects((3, 3, 3, 8, 0.9, 0)), objects((3, 3, 3, 8, 0.9, 0))) == [(0, 0)]  # of no area


class Fixed:
    """What a file or a model finds in any image."""

    def __init__(self, found):
        self.found, self.info = found, dict(resized=True)

    def run(self, images):
        return self.found

    def objects(self, image):
        return self.found


def test_masks_are_compared_where_there_are_no_annotations(monkeypatch):
    from mmattn.export.verify import TOLERANCES, detector

    wanted = dict(objects((0, 0, 10, 10, 0.9, 0)), masks=np.zeros((1, 20, 20), bool))
    wanted['masks'][0, :10, :10] = True
    other = dict(wanted, masks=wanted['masks'].copy())
    other['masks'][0, 9] = False
    cfg = config('demo/mask_rcnn_sda_nuclei.py')
    cfg.val_dataloader.dataset.data_root = 'nowhere'
    monkeypatch.setattr(detector, 'Reference', lambda *arguments: Fixed(wanted))
    for found, passed in ((wanted, True), (other, False)):
        verification = detector.verify_detector(cfg, None, Fixed(found), TOLERANCES['float32'], 2)
        assert verification.images == 2 and verification.source == 'images of the demo'
        assert [check.passed for check in verification.checks] == [True, passed]
        assert 'AP was not compared' in verification.notes[0]
