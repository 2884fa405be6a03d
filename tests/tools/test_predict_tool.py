"""tools/predict.py, run as a user runs it, and how it finds model and checkpoint."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

pytest.importorskip('mmdet')

from blob_detector import write_model  # noqa: E402

from mmattn.analysis.runs.model import find_model  # noqa: E402
from mmattn.engine import launch  # noqa: E402
from mmattn.errors import UserError  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / 'tools' / 'predict.py'
ENVIRONMENT = {
    **os.environ,
    'PYTHONPATH': f'{ROOT}{os.pathsep}{ROOT / "tests"}',
    'OMP_NUM_THREADS': '1',
    'CUDA_VISIBLE_DEVICES': '',
}


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp('work dir'))


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    image = Image.new('RGB', (200, 100))
    image.paste((220, 20, 30), (20, 20, 60, 50))
    image.save(folder / 'one.png')
    image.save(folder / 'two.jpg', quality=95)
    return folder


def run(monkeypatch, *arguments):
    """Runs the tool in this process; returns its exit status."""
    spec = importlib.util.spec_from_file_location('predict_tool', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, arguments)])
    try:
        launch.run(tool.main)
    except SystemExit as end:
        return end.code
    return 0


@pytest.mark.slow
def test_as_a_command_with_a_damaged_image_it_ends_with_1_and_one_line(model, images, tmp_path):
    (tmp_path / 'bad.png').write_bytes(b'')
    result = subprocess.run(
        [
            sys.executable,
            str(TOOL),
            str(model),
            str(images),
            str(tmp_path / 'bad.png'),
            '--out',
            str(tmp_path / 'out'),
            '--tiles',
            '64',
            '--batch',
            '2',
            '--device',
            'cpu',
        ],
        cwd=tmp_path,
        env=ENVIRONMENT,
        text=True,
        capture_output=True,
        timeout=300,
    )
    assert result.returncode == 1, result.stderr
    assert result.stdout.splitlines()[-1].startswith('2 objects in 2 images; written to ')
    assert 'images and tiles 18/18' in result.stderr and 'passed over' in result.stderr
    assert result.stderr.splitlines()[-1] == 'error: 1 of 3 inputs could not be read, or not to the end: ' + next(
        line for line in result.stderr.splitlines()[-1].split() if line.endswith('bad.png')
    )
    content = json.loads((tmp_path / 'out/predictions.json').read_text('utf-8'))
    assert content['info']['tiles'] == 64 and content['info']['checkpoint'].endswith('epoch_1.pth')
    for one in content['annotations']:
        assert one['bbox'] == pytest.approx([20, 20, 40, 30], abs=1)


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_done(model, images, tmp_path):
    for number in range(3000):  # more than are done before a busy machine delivers the signal
        os.link(images / 'one.png', tmp_path / f'{number:04d}.png')
    process = subprocess.Popen(
        [sys.executable, str(TOOL), str(model), str(tmp_path), '--out', str(tmp_path / 'out'), '--device', 'cpu'],
        env=ENVIRONMENT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell in the background has its children ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    end = time.monotonic() + 200
    while not (tmp_path / 'out/pictures/0004.jpg').exists() and time.monotonic() < end and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 130, errors
    assert 'interrupted; what was done is in' in errors and 'Traceback' not in errors
    content = json.loads((tmp_path / 'out/predictions.json').read_text('utf-8'))
    assert 4 <= len(content['images']) == len(content['annotations']) < 3000


def test_classes_threshold_and_no_pictures(model, images, tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, model, images, '--out', tmp_path, '--classes', 'gruen 灰', '--no-pictures') == 0
    assert '0 objects in 2 images' in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ['predictions.csv', 'predictions.json']


def test_tiles_that_the_pipeline_reduces_are_noted(images, tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, write_model(tmp_path, scale=40), images, '--out', tmp_path / 'out', '--tiles', '80') == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith('note: the test pipeline')]
    assert len(notes) == 1 and 'reduces tiles of 80 px to 40 px; --tiles 40' in notes[0]


@pytest.mark.parametrize(
    'arguments, said',
    [
        (['nowhere', 'a.jpg'], "'nowhere' is no work folder, config (*.py) or checkpoint"),
        (['MODEL'], 'nothing to predict on'),
        (['MODEL', 'nothing.jpg'], "no image, video or folder 'nothing.jpg'"),
        (['MODEL/blobs.py', 'IMAGES'], 'name its checkpoint behind it'),
        (['MODEL/blobs.py', 'lost.pth', 'IMAGES'], "no checkpoint at 'lost.pth'"),
        (['MODEL', 'IMAGES', '--classes', 'blue'], "'blue' is no class"),
        (['MODEL', 'IMAGES', '--tiles', '64', '--overlap', '1'], 'cannot be cut'),
        (['MODEL', 'IMAGES', '--device', 'tpu'], '--device tpu'),
    ],
)
def test_errors_are_one_line_and_2(model, images, tmp_path, monkeypatch, capsys, arguments, said):
    arguments = [text.replace('MODEL', str(model)).replace('IMAGES', str(images)) for text in arguments]
    assert run(monkeypatch, *arguments, '--out', tmp_path / 'out') == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith('error: ')]
    assert len(errors) == 1 and said in errors[0]
    assert not (tmp_path / 'out').exists()


# Model and checkpoint.


def test_config_and_checkpoint_by_what_the_first_arguments_are(model, tmp_path):
    config, weights = str(model / 'blobs.py'), str(model / 'epoch_1.pth')
    other = str(shutil.copy(weights, tmp_path / 'other.pth'))
    for arguments, expected, left in (
        ((str(model), None, ['a.jpg']), weights, ['a.jpg']),
        ((weights, None, ['a.jpg']), weights, ['a.jpg']),
        ((config, None, [other, 'a.jpg']), other, ['a.jpg']),
        ((config, other, ['a.jpg']), other, ['a.jpg']),
        ((str(model), other, ['a.jpg']), other, ['a.jpg']),
    ):
        cfg, checkpoint, others = find_model(*arguments)
        assert (cfg.filename, str(checkpoint), others) == (config, expected, left)


def test_overrides_change_the_config(model):
    cfg, _, _ = find_model(str(model), overrides={'model.masks': False})
    assert cfg.model.masks is False


def test_config_py_goes_before_newer_configs_and_best_before_newer_checkpoints(tmp_path):
    write_model(tmp_path, name='config.py')
    shutil.copy(tmp_path / 'epoch_1.pth', tmp_path / 'best_coco_bbox_mAP_epoch_1.pth')
    shutil.copy(tmp_path / 'config.py', tmp_path / 'newer.py')
    time.sleep(0.02)
    (tmp_path / 'epoch_1.pth').touch()
    cfg, checkpoint, _ = find_model(str(tmp_path))
    assert Path(cfg.filename).name == 'config.py' and checkpoint.name == 'best_coco_bbox_mAP_epoch_1.pth'


def test_damaged_checkpoints_and_those_of_an_older_training_are_passed_over(tmp_path):
    write_model(tmp_path)
    whole = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)
    torch.save(dict(whole, progress=dict(run='old')), tmp_path / 'best_a.pth')
    (tmp_path / 'last_run').write_text('new')
    (tmp_path / 'best_b.pth').write_bytes((tmp_path / 'epoch_1.pth').read_bytes()[:900])
    (tmp_path / 'epoch_2.pth').write_bytes(b'damaged')
    assert find_model(str(tmp_path))[1].name == 'epoch_1.pth'
    torch.save(dict(whole, progress=dict(run='new')), tmp_path / 'best_c.pth')
    assert find_model(str(tmp_path))[1].name == 'best_c.pth'


def test_a_work_folder_without_a_checkpoint_is_an_error(tmp_path):
    write_model(tmp_path)
    (tmp_path / 'epoch_1.pth').unlink()
    with pytest.raises(UserError, match='no checkpoint'):
        find_model(str(tmp_path))
