"""tools/export.py: what it writes, says and refuses."""

from __future__ import annotations

import json
import shutil

import pytest

pytest.importorskip('mmpretrain')

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import torch  # noqa: E402
from commands import ROOT  # noqa: E402
from mmengine.config import Config  # noqa: E402
from small_models import config, write  # noqa: E402

from mmattn.errors import UserError  # noqa: E402
from mmattn.export.opening import opened  # noqa: E402
from mmattn.export.run import Options, export  # noqa: E402

DIGITS = ROOT / 'demo' / 'sign_digits_mini'


@pytest.fixture(scope='module')
def work_folder(tmp_path_factory):
    """A folder with a config and a checkpoint, as a training of one epoch leaves it."""
    folder = tmp_path_factory.mktemp('digits') / 'work'
    cfg = config('demo/imagenet_style_signs.py')
    cfg.model.backbone.update(stage_blocks=(2,), out_indices=(0,))
    for part in (cfg.model.neck, cfg.model.head):
        part.in_channels = 4 * cfg.model.backbone.base_channels
    write(cfg, folder, classes=tuple('0123456789'))
    (folder / 'weights.pth').rename(folder / 'epoch_1.pth')
    return folder


def test_help_names_the_options_and_shows_commands(commands):
    result = commands('export.py', '--help')
    assert result.returncode == 0
    for word in ('MODEL', 'CHECKPOINT', '--out FILE', '--no-verify', '--no-resize', '--images N', 'nuclei.onnx'):
        assert word in result.stdout, word


def test_older_pytorch_is_refused_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(torch, '__version__', '2.8.0+cpu')
    with pytest.raises(UserError, match=r'export needs PyTorch 2\.9 or newer, not 2\.8\.0\+cpu'):
        export(Config(), 'weights.pth', Options(tmp_path / 'a.onnx'))


@pytest.mark.slow
def test_work_folder_becomes_a_verified_file_with_what_was_compared_beside_it(commands, work_folder, tmp_path):
    out = tmp_path / 'new' / 'digits.onnx'
    result = commands('export.py', work_folder, '--out', out, '--images', '5')
    assert result.returncode == 0, result.stderr
    said = result.stdout
    assert 'logits, largest difference over the largest (6 sizes x 3 batches)' in said and 'accuracy' in said
    assert f'{out}.json' in said and 'predict' in said
    assert sorted(path.name for path in out.parent.iterdir()) == ['digits.onnx', 'digits.onnx.json']
    record = json.loads((out.parent / 'digits.onnx.json').read_text())
    (verification,) = record['verification'].values()
    assert verification['passed'] is True and len(verification['checks']) == 2
    assert verification['images'] == 6 * (1 + 2 + 5) + 5
    assert {'mmattn', 'torch'} <= record['versions'].keys() and 'commit' in record
    assert record['classes'] == list('0123456789') and record['checkpoint'] == 'epoch_1.pth'
    model = onnx.load(out)
    assert [(value.name, [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]) for value in
            model.graph.input] == [('images', ['images', 'height', 'width', 3])]  # fmt: skip
    assert [value.name for value in model.graph.output] == ['logits', 'scores']
    found = opened(out)(DIGITS / 'val' / '3' / sorted(path.name for path in (DIGITS / 'val' / '3').iterdir())[0])
    assert len(found['names']) == 10 and found['scores'].sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.slow
def test_config_and_checkpoint_become_a_file_that_is_not_compared(commands, work_folder, tmp_path):
    out = tmp_path / 'digits.onnx'
    result = commands(
        'export.py', work_folder / 'small.py', work_folder / 'epoch_1.pth', '--out', out, '--no-verify', '--no-resize'
    )
    assert result.returncode == 0, result.stderr
    assert 'not compared with the model' in result.stdout and 'predict with' not in result.stdout
    record = json.loads((tmp_path / 'digits.onnx.json').read_text())
    assert not record['verification'] and record['resized'] is False
    images = np.random.default_rng(0).integers(0, 256, (2, 40, 56, 3), dtype=np.uint8)
    model = opened(out)
    assert np.abs(model.run(images)['logits'] - model.run(images[:, ::2, ::2])['logits']).max() > 0  # not resized


@pytest.mark.slow
def test_file_of_torch_export_gives_the_answers_of_the_model(commands, work_folder, tmp_path):
    out = tmp_path / 'digits.pt2'
    result = commands('export.py', work_folder, '--out', out, '--images', '3')
    assert result.returncode == 0, result.stderr
    record = json.loads((tmp_path / 'digits.pt2.json').read_text())
    (verification,) = record['verification'].values()
    assert verification['passed'] is True
    model = opened(out)
    for size in ((2, 1, 1, 3), (1, 5, 90, 3), (3, 64, 64, 3)):
        assert model.run(np.zeros(size, np.uint8))['logits'].shape == (size[0], 10)


def test_file_of_another_kind_is_refused_before_any_work(commands, work_folder, tmp_path):
    for name in ('digits.pth', 'digits', 'digits.ONNX.zip'):
        result = commands('export.py', work_folder, '--out', tmp_path / name)
        assert result.returncode != 0 and result.stdout == ''
        assert result.stderr.splitlines()[-1].endswith('has to end with .onnx or .pt2'), result.stderr
    assert not list(tmp_path.iterdir())


def test_place_that_cannot_be_written_to_is_refused_before_any_work(commands, work_folder, tmp_path):
    (tmp_path / 'taken').write_text('a file')
    (tmp_path / 'folder.onnx').mkdir()
    for out in (tmp_path / 'taken' / 'digits.onnx', tmp_path / 'folder.onnx'):
        result = commands('export.py', work_folder, '--out', out)
        assert result.returncode != 0 and 'exporting' not in result.stdout
        assert result.stderr.startswith('error: ') and 'Traceback' not in result.stderr, result.stderr


def test_options_that_do_not_go_together_are_refused(commands, work_folder, tmp_path):
    out = tmp_path / 'digits.onnx'
    for options, said in (
        (['--half', '--int8'], '--half and --int8'),
        (['--int8'], '--calibration'),
        (['--out', tmp_path / 'digits.pt2', '--half'], '.onnx'),
    ):
        result = commands('export.py', work_folder, '--out', out, *options)
        assert result.returncode != 0 and said in result.stderr and 'Traceback' not in result.stderr


def test_checkpoint_of_another_model_is_refused(commands, work_folder, tmp_path):
    shutil.copytree(work_folder, tmp_path / 'other')
    options = ['--cfg-options', 'model.backbone.base_channels=32']
    result = commands('export.py', tmp_path / 'other', '--out', tmp_path / 'digits.onnx', *options)
    assert result.returncode != 0 and not (tmp_path / 'digits.onnx').exists()
    assert result.stderr.startswith('error: ') and 'Traceback' not in result.stderr
