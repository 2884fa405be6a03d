"""predict.py, report.py, compare.py and visualize.py with a segmentor, run in this process."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip('mmseg')
pytest.importorskip('matplotlib')

from blob_segmentor import COLORS, write_model  # noqa: E402

from mmattn.engine import launch  # noqa: E402

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """The work folder of a segmentor with a log, two images, and label pictures that differ a little from them."""
    folder = tmp_path_factory.mktemp('segmentor')
    for name in ('images', 'labels', '20260101_000000/vis_data'):
        (folder / name).mkdir(parents=True)
    for number in range(2):
        image, labels = Image.new('RGB', (60, 40), COLORS[0]), np.zeros((40, 60), np.uint8)
        image.paste(COLORS[1], (10, 10, 30, 30))
        image.paste(COLORS[2], (45, 5, 55, 15))
        labels[10:30, 10 : 31 + number], labels[5:15, 45:55] = 1, 2
        image.save(folder / f'images/{number}.png')
        Image.fromarray(labels).save(folder / f'labels/{number}.png')
    records = [dict(loss=1.0, step=10), dict(mIoU=97.15, mAcc=97.67, aAcc=98.75, step=10)]
    (folder / '20260101_000000/vis_data/scalars.json').write_text('\n'.join(map(json.dumps, records)) + '\n')
    return write_model(folder)


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a tool; returns its exit status, and what it printed and said."""

    def running(name, *arguments):
        spec = importlib.util.spec_from_file_location(name, TOOLS / f'{name}.py')
        tool = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tool)
        monkeypatch.setattr(sys, 'argv', [name, *map(str, arguments), '--device', 'cpu'])
        status = 0
        try:
            launch.run(tool.main)
        except SystemExit as end:
            status = end.code
        return status, *capsys.readouterr()

    return running


def test_predict_prints_the_shares_of_the_classes(trained, run, tmp_path):
    status, out, err = run('predict', trained, trained / 'images', '--out', tmp_path / 'out')
    assert status == 0, err
    assert out.splitlines()[-2].startswith('pixels by class: background 79.2 %, red 16.7 %, gruen')
    assert out.splitlines()[-1].endswith('pictures/, labels/, predictions.json, predictions.csv')
    status, out, err = run('predict', trained, trained / 'images', '--out', tmp_path / 'red', '--classes', 'red')
    assert status == 0 and out.splitlines()[-2] == 'pixels by class: red 16.7 %', err  # of all pixels
    assert 'threshold' not in json.loads((tmp_path / 'red/predictions.json').read_text('utf-8'))['info']
    status, out, err = run('predict', trained, trained / 'images', '--out', tmp_path / 'out', '--threshold', 0.5)
    assert status == 2 and 'error: a segmentor gives each pixel its likeliest class' in err
    status, out, err = run('predict', trained, trained / 'images', '--out', tmp_path / 'out', '--tiles', 20)
    assert status == 2 and 'error: this model is no detector, which tiles are for' in err


def test_report_and_compare_agree_with_the_log(trained, run, tmp_path):
    status, out, err = run('report', trained, '--out', tmp_path / 'report', '--images', 1)
    assert status == 0, err
    assert out.startswith('mIoU 97.15 %, mAcc 97.67 %, aAcc 98.75 %') and 'written: ' in out.splitlines()[-1]
    assert len(list((tmp_path / 'report/pictures').iterdir())) == 1
    kept = [path.rename(path.with_suffix('.kept')) for path in trained.glob('predictions.*.json')]
    status, out, err = run('compare', trained, '--out', tmp_path / 'page.md')
    assert status == 0 and 'no predictions of its last checkpoint are kept: --predict makes them' in err, err
    for path in kept:
        path.rename(path.with_suffix('.json'))
    status, out, err = run('compare', trained, '--predict', '--out', tmp_path / 'page.md')
    assert status == 0 and 'predicting' not in err, err  # those of the report are used
    page = (tmp_path / 'page.md').read_text('utf-8')
    assert '## IoU by class' in page and 'its predictions give mIoU' not in page


def test_visualize_shows_what_speaks_for_each_class(trained, run, tmp_path):
    pytest.importorskip('pytorch_grad_cam')
    arguments = (trained / 'pixels.py', trained / 'iter_1.pth', trained / 'images', '--out', tmp_path)
    status, out, err = run('visualize', *arguments, '--max-images', 1)
    assert status == 0, err
    page = (tmp_path / 'index.html').read_text('utf-8')
    assert (tmp_path / '0_cam.png').is_file() and 'pixels that are predicted to be of it (outlined)' in page
    status, out, err = run('visualize', trained, '--classes', 'blue', *arguments[3:], trained / 'images')
    assert status == 2 and "error: 'blue' is no class of the checkpoint" in err


def test_test_says_what_to_give_where_one_argument_is_given(trained, run):
    status, out, err = run('test', trained)
    [line] = [line for line in err.splitlines() if line.startswith('error: ')]
    assert status == 2 and 'is a folder; give a config and a checkpoint' in line
    assert f'{trained / "pixels.py"} {trained / "iter_1.pth"}' in line
