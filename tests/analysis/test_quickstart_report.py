"""The report of a training: reading work folders, the table, pictures, and the tool itself."""

import importlib.util
import json
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner
from PIL import Image

from mmattn.analysis.runs.annotated import decode_mask
from mmattn.analysis.runs.curves import smooth
from mmattn.analysis.runs.history import read_history
from mmattn.analysis.runs.label_pictures import WRONG, LabelExample, draw_label_sheet
from mmattn.analysis.runs.metrics import average_precisions, format_table
from mmattn.analysis.runs.objects import Instances, distinct_colors
from mmattn.analysis.runs.pictures import (
    Example,
    draw_example,
    draw_panels,
    draw_sheet,
    match,
    save_picture,
)
from mmattn.engine import launch
from mmattn.errors import UserError
from mmattn.files import atomic_path, write_json

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / 'demo' / 'quickstart_report.py'
FIRST, SECOND = '20260101_000000', '20260101_010000'
# An epoch has 25 iterations, of which the 10th and 20th are logged.
STEPS = (10, 20)


def epoch_records(epoch, loss=1.0, ap=0.1):
    records = [
        dict(loss=loss, lr=0.1, epoch=epoch, iter=25 * (epoch - 1) + step, step=25 * (epoch - 1) + step)
        for step in STEPS
    ]
    metrics = {f'coco/{kind}_mAP{size}': ap for kind in ('bbox', 'segm') for size in ('', '_50', '_75', '_s', '_m')}
    metrics.update({'coco/bbox_mAP_l': -1.0, 'coco/segm_mAP_l': -1.0, 'time': 0.2, 'step': epoch})
    return [*records, metrics]


def write_part(work_dir, timestamp, records, tail='', resources=None):
    log = work_dir / timestamp / 'vis_data' / 'scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text(''.join(json.dumps(record) + '\n' for record in records) + tail)
    if resources:
        write_json(resources, work_dir / timestamp / 'resources.json')


def resources(seconds, memory=2**30):
    return dict(wall_time_s=seconds, peak_memory_bytes=memory, device='cpu')


@pytest.fixture
def finished(tmp_path):
    """A work folder of two epochs."""
    write_part(tmp_path, FIRST, epoch_records(1) + epoch_records(2, ap=0.25), '{"loss": 0.', resources(83.4))
    (tmp_path / 'demo.py').write_text("train_cfg = dict(max_epochs=2)\ndefault_scope = 'mmdet'\n")
    (tmp_path / 'epoch_2.pth').write_bytes(b'weights')
    (tmp_path / 'last_checkpoint').write_text('/moved/from/here/epoch_2.pth')
    return tmp_path


def run_tool(monkeypatch, *args):
    spec = importlib.util.spec_from_file_location('quickstart_report', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
    launch.run(tool.main)


# Reading.


def test_history_ignores_a_partial_last_line(finished):
    history = read_history(finished)
    assert history.iterations == [10, 20, 35, 45]
    assert [(v.epoch, v.iteration) for v in history.validations] == [(1, 20), (2, 45)]
    assert history.validations[-1].metrics['segm_mAP'] == 0.25
    assert (history.wall_time, history.peak_memory, history.device) == (83.4, 2**30, 'cpu')


def test_history_of_a_resumed_training(tmp_path):
    """The second epoch was broken off and done again; its first attempt only counts as time."""
    write_part(tmp_path, FIRST, epoch_records(1) + epoch_records(2, loss=9.0)[:2], resources=resources(50, 300))
    write_part(tmp_path, SECOND, epoch_records(2, loss=0.5), resources=resources(30, 200))
    history = read_history(tmp_path)
    assert history.iterations == [10, 20, 35, 45]
    assert history.losses == [1.0, 1.0, 0.5, 0.5]
    assert [v.epoch for v in history.validations] == [1, 2]
    assert (history.wall_time, history.peak_memory) == (80, 300)


def test_a_training_afresh_replaces_the_one_before(tmp_path):
    write_part(tmp_path, FIRST, epoch_records(1) + epoch_records(2), resources=resources(50))
    write_part(tmp_path, SECOND, epoch_records(1, loss=0.5), resources=resources(30))
    history = read_history(tmp_path)
    assert history.losses == [0.5, 0.5] and len(history.validations) == 1
    assert history.wall_time == 30


def test_of_a_killed_part_without_resources_the_logged_iterations_are_counted(tmp_path):
    write_part(tmp_path, FIRST, [dict(record, time=0.5) for record in epoch_records(1)])
    write_part(tmp_path, SECOND, epoch_records(2), resources=resources(50, 2**20))
    write_part(tmp_path, '20260101_020000', [{'coco/bbox_mAP': 0.9, 'step': 0}])  # a test
    history = read_history(tmp_path)
    assert (history.wall_time, history.peak_memory, history.at_least) == (50 + 0.5 * 10, 2**20, True)


def test_without_any_resources_time_and_memory_are_unknown(tmp_path):
    write_part(tmp_path, FIRST, epoch_records(1))
    write_part(tmp_path, SECOND, epoch_records(2))
    write_part(tmp_path, '20260101_020000', [{'coco/bbox_mAP': 0.9, 'step': 0}])  # a test
    (tmp_path / '20260101_030000').mkdir()
    history = read_history(tmp_path)
    assert [v.epoch for v in history.validations] == [1, 2]
    assert history.wall_time is None and history.peak_memory is None


def test_a_training_counted_in_iterations_has_no_epochs(tmp_path):
    records = epoch_records(1)
    for record in records:
        record.pop('epoch', None)
    write_part(tmp_path, FIRST, records)
    [validation] = read_history(tmp_path).validations
    assert (validation.epoch, validation.iteration) == (None, 20)


@pytest.mark.parametrize(
    'records, tail, message',
    [
        ([], '', 'no training in'),
        (epoch_records(1)[:2], '', 'before its first validation'),
        (epoch_records(1), '{"loss": 1\n{"loss": 1, "step": 30}\n', 'damaged in line 4'),
        (epoch_records(1), '[1, 2]\n', 'damaged in line 4'),
        (epoch_records(1), '\x00\x00\n', 'damaged in line 4'),
    ],
)
def test_unusable_logs(tmp_path, records, tail, message):
    write_part(tmp_path, FIRST, records, tail)
    with pytest.raises(UserError, match=message):
        read_history(tmp_path)


def test_damaged_resources(finished):
    (finished / FIRST / 'resources.json').write_text('{"wall_time_s": 1')
    with pytest.raises(UserError, match='resources.json is damaged'):
        read_history(finished)


class Line(BaseModel):
    """The smallest model that mmengine trains."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, inputs, mode='tensor'):
        output = self.layer(inputs)
        return dict(loss=output.square().mean()) if mode == 'loss' else [output]


class FixedMetric(BaseMetric):
    default_prefix = 'coco'

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return dict(bbox_mAP=0.3, bbox_mAP_l=-1.0)


def test_what_mmengine_and_the_hook_write_can_be_read(tmp_path):
    """Two epochs, and a third after resuming, with the hook named as in a config."""

    def train(epochs, resume):
        loader = dict(
            batch_size=1,
            dataset=[{'inputs': torch.ones(1)}] * 4,
            collate_fn=dict(type='default_collate'),
            sampler=dict(type='DefaultSampler', shuffle=False),
        )
        runner = Runner(
            Line(),
            str(tmp_path),
            train_dataloader=loader,
            val_dataloader=loader,
            train_cfg=dict(by_epoch=True, max_epochs=epochs),
            val_cfg=dict(),
            val_evaluator=[FixedMetric()],
            default_scope='mmengine',
            resume=resume,
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
            default_hooks=dict(logger=dict(type='LoggerHook', interval=2)),
            custom_hooks=[dict(type='mmattn.ResourceHook')],
            visualizer=dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')]),
            experiment_name=f'{tmp_path.name}_{epochs}',
        )
        runner.train()
        return runner

    start = time.perf_counter()
    train(2, resume=False)
    time.sleep(1.1)  # mmengine names the folder of each part by the second
    runner = train(3, resume=True)
    history = read_history(tmp_path)
    assert history.iterations == [2, 4, 6, 8, 10, 12]
    assert [(v.epoch, v.iteration) for v in history.validations] == [(1, 4), (2, 8), (3, 12)]
    assert history.validations[0].metrics['bbox_mAP'] == 0.3
    assert 0 < history.wall_time < time.perf_counter() - start
    if torch.cuda.is_available():
        assert 0 < history.peak_memory < 2**30 and history.device != 'cpu'
    else:  # Python with torch takes more than 50 MB and this model less than 100 GB
        assert 50e6 < history.peak_memory < 100e9 and history.device == 'cpu'
    resources = Path(runner.log_dir, 'resources.json')
    written = resources.read_text()
    runner.val()  # which is not a part of the training
    assert resources.read_text() == written


# The table.


def test_empty_size_classes_are_not_numbers():
    metrics = dict(bbox_mAP=0.3904, bbox_mAP_50=0.0, bbox_mAP_75=float('nan'), bbox_mAP_l=-1.0)
    table = average_precisions(metrics)
    assert table == {'box': {'AP': 0.3904, 'AP50': 0.0, 'AP75': None, 'AP_S': None, 'AP_M': None, 'AP_L': None}}
    header, row = format_table(table).splitlines()
    assert header.split() == ['AP', 'AP50', 'AP75', 'AP_S', 'AP_M', 'AP_L']
    assert row.split() == ['box', '0.390', '0.000', 'n/a', 'n/a', 'n/a', 'n/a']
    assert len(header) == len(row)
    assert average_precisions({'time': 0.1}) == {}


# Drawing.


def test_smoothing_keeps_a_constant_and_starts_at_the_first_value():
    np.testing.assert_allclose(smooth([3.0] * 5), 3.0)
    smoothed = smooth([4.0, 0.0, 0.0])
    assert smoothed[0] == pytest.approx(4.0) and 4 > smoothed[1] > smoothed[2] > 0


def test_each_object_is_matched_once():
    truth = torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30]])
    found = torch.tensor([[0.0, 0, 10, 9], [0, 0, 10, 10], [21, 20, 31, 30], [50, 50, 60, 60]])
    assert match(found, truth) == [0, None, 1, None]
    assert match(found, torch.zeros(0, 4)) == [None] * 4
    assert match(torch.zeros(0, 4), truth) == []


def test_a_prediction_between_two_objects_takes_the_free_one():
    truth = torch.tensor([[0.0, 0, 10, 10], [2, 0, 12, 10]])
    found = torch.tensor([[0.0, 0, 10, 10], [0.9, 0, 10.9, 10]])
    assert match(found, truth) == [0, 1]


def test_colors_are_distinct():
    colors = distinct_colors(100)
    assert len(set(colors)) == 100
    assert all(len(color) == 3 and 0 <= min(color) <= max(color) == 255 for color in colors)


def rectangles(boxes, size=(60, 80), names=None):
    masks = torch.zeros(len(boxes), *size, dtype=torch.bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes, strict=True):
        mask[top:bottom, left:right] = True
    return Instances(torch.tensor(boxes).float().reshape(-1, 4), masks, names)


def example(**kwargs):
    return Example(
        'picture',
        Image.new('RGB', (80, 60)),
        rectangles([(10, 10, 30, 30), (50, 20, 70, 40)], **kwargs),
        rectangles([(11, 10, 31, 30), (0, 40, 20, 60)]),
    )


def test_panels_show_masks_in_the_colors_of_their_objects():
    truth, prediction = (np.asarray(panel) for panel in draw_panels(example(), 160))
    assert truth.shape == prediction.shape == (120, 160, 3)
    colors = np.array(distinct_colors(2))
    np.testing.assert_array_equal(truth[20, 40], colors[0])  # outlines, at twice the size
    np.testing.assert_array_equal(truth[40, 120], colors[1])
    np.testing.assert_array_equal(prediction[20, 40], colors[0])
    np.testing.assert_array_equal(prediction[80, 20], [255, 255, 255])  # found nothing
    inside = truth[40, 40]  # the image shows through
    np.testing.assert_allclose(inside, 0.3 * colors[0], atol=1)
    assert truth[100, 80].max() == 0


@pytest.mark.parametrize(
    'truth, predictions',
    [
        (Instances(torch.zeros(0, 4)), Instances(torch.zeros(0, 4))),
        (Instances(torch.tensor([[10.0, 10, 30, 30]])), Instances(torch.zeros(0, 4))),
        (Instances(torch.zeros(0, 4)), rectangles([(0, 0, 80, 60)], names=['cat 0.97'])),
        (Instances(torch.tensor([[5.0, 5, 5, 5]])), Instances(torch.tensor([[70.0, 50, 95, 70]]))),
    ],
)
def test_pictures_without_objects_or_masks_or_beyond_the_edge(truth, predictions):
    picture = draw_example(Example('x', Image.new('RGB', (80, 60)), truth, predictions), 0.5)
    assert picture.width > 2 * 640 and picture.height > 480


def test_the_first_of_overlapping_masks_is_on_top():
    truth = rectangles([(10, 10, 50, 50), (30, 30, 70, 60)])
    panel = np.asarray(draw_panels(Example('x', Image.new('RGB', (80, 60)), truth, rectangles([])), 160)[0])
    first, second = np.array(distinct_colors(2))
    np.testing.assert_allclose(panel[80, 80], 0.3 * first, atol=1)
    np.testing.assert_allclose(panel[110, 120], 0.3 * second, atol=1)


def test_sheet_and_png(tmp_path):
    sheet = draw_sheet([example(names=['cat', 'dog'])] * 3, 0.5, panel=100)
    assert sheet.width > 300 and sheet.height > 200
    small = save_picture(sheet, tmp_path / 'a' / 'small.png', colors=16)
    assert small == (tmp_path / 'a' / 'small.png').stat().st_size
    assert small < save_picture(sheet, tmp_path / 'large.png')
    assert [path.name for path in (tmp_path / 'a').iterdir()] == ['small.png']


def test_masks_of_all_three_kinds():
    coco_mask = pytest.importorskip('pycocotools.mask')
    expected = np.zeros((20, 30), bool)
    expected[5:10, 3:12] = True
    compressed = coco_mask.encode(np.asfortranarray(expected.astype(np.uint8)))
    pixels = expected.T.ravel()  # by columns
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    counts = np.diff(np.r_[0, changes, pixels.size])
    uncompressed = dict(size=[20, 30], counts=counts.tolist())
    polygons = [[3, 5, 12, 5, 12, 10, 3, 10]]
    for segmentation in (compressed, uncompressed, polygons):
        np.testing.assert_array_equal(decode_mask(segmentation, 20, 30), expected)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / 'metrics.json'
    write_json({'AP': [0.5, float('nan')]}, path)
    assert json.loads(path.read_text()) == {'AP': [0.5, None]}
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text('half')
        raise RuntimeError
    assert json.loads(path.read_text()) == {'AP': [0.5, None]}
    assert list(tmp_path.iterdir()) == [path]


# The tool.


def test_table_metrics_and_curves(finished, monkeypatch, capsys):
    run_tool(monkeypatch, finished, '--max-images', 0)
    out = capsys.readouterr().out
    assert 'box      0.250   0.250   0.250   0.250   0.250     n/a' in out
    assert 'mask     0.250' in out
    assert '1 min 23 s, peak memory: 1.00 GiB (process on CPU)' in out
    assert '-1' not in out.split('written to')[0] and 'note' not in out
    metrics = json.loads((finished / 'metrics.json').read_text())
    assert metrics['box']['AP'] == 0.25 and metrics['mask']['AP_L'] is None
    assert metrics['finished'] is True and metrics['epoch'] == 2 and metrics['pictures_checkpoint'] is None
    assert [item['box']['AP'] for item in metrics['validations']] == [0.1, 0.25]
    with Image.open(finished / 'curves.png') as curves:
        assert curves.width >= 1000 and len(curves.convert('RGB').getcolors(10**6)) > 50


def test_a_broken_off_training_is_reported_as_such(finished, monkeypatch, capsys):
    (finished / 'demo.py').write_text('train_cfg = dict(max_epochs=8)\n')
    (finished / FIRST / 'resources.json').unlink()
    run_tool(monkeypatch, finished, '--max-images', 0)
    out = capsys.readouterr().out
    assert 'stopped at epoch 2 of 8' in out and '--resume' in out
    assert 'mmattn.ResourceHook' in out
    assert json.loads((finished / 'metrics.json').read_text())['finished'] is False


def test_after_a_kill_time_and_memory_are_said_to_be_lower_bounds(finished, monkeypatch, capsys):
    write_part(finished, SECOND, [dict(record, time=2.0) for record in epoch_records(3)])
    run_tool(monkeypatch, finished, '--max-images', 0)
    assert (
        'evaluation: at least 1 min 43 s, peak memory: at least 1.00 GiB (process on CPU); a part'
        in capsys.readouterr().out
    )
    assert json.loads((finished / 'metrics.json').read_text())['resources_at_least'] is True


def test_iteration_counted_trainings_know_their_end(finished, monkeypatch, capsys):
    for end, stopped in ((50, False), (500, True)):
        log = finished / FIRST / 'vis_data' / 'scalars.json'
        log.write_text(log.read_text().replace('"epoch"', '"ignored"'))
        (finished / 'demo.py').write_text(f'train_cfg = dict(max_iters={end})\n')
        run_tool(monkeypatch, finished, '--max-images', 0)
        assert ('iteration 45 of 500' in capsys.readouterr().out) is stopped


@pytest.mark.parametrize(
    'spoil, message',
    [
        (lambda folder: (folder / 'demo.py').unlink(), 'no config'),
        (lambda folder: (folder / 'last_checkpoint').unlink(), 'no checkpoint in'),
        (lambda folder: (folder / 'epoch_2.pth').unlink(), 'which is missing'),
        (lambda folder: (folder / FIRST / 'vis_data' / 'scalars.json').unlink(), 'no training in'),
        (lambda folder: (folder / FIRST / 'vis_data' / 'scalars.json').write_text('?\n{}\n'), 'damaged in line 1'),
        (
            lambda folder: write_part(folder, SECOND, [*epoch_records(3)[:2], {'time': 1, 'step': 3}]),
            'nothing was detected',
        ),
    ],
)
def test_errors_are_one_line(finished, monkeypatch, capsys, spoil, message):
    spoil(finished)
    with pytest.raises(SystemExit) as exit_info:
        run_tool(monkeypatch, finished, '--max-images', 0)
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith('error: ') and error.count('\n') == 1 and message in error
    assert not (finished / 'metrics.json').exists()


@pytest.mark.parametrize('option', [('--score-thr', '2'), ('--max-images', '-1')])
def test_bad_options(finished, monkeypatch, capsys, option):
    with pytest.raises(SystemExit) as exit_info:
        run_tool(monkeypatch, finished, *option)
    assert exit_info.value.code == 2 and option[0] in capsys.readouterr().err


@pytest.mark.slow
def test_as_a_command(tmp_path, commands):
    result = commands(TOOL, tmp_path / 'nowhere')
    assert result.returncode == 2 and result.stdout == ''
    assert result.stderr.splitlines()[-1].startswith('error: no folder')
    assert 'Traceback' not in result.stderr


def test_help_has_examples(monkeypatch, capsys):
    with pytest.raises(SystemExit) as exit_info:
        run_tool(monkeypatch, '--help')
    assert exit_info.value.code == 0
    assert 'python demo/quickstart_report.py work_dirs/quickstart' in capsys.readouterr().out


def test_pictures_of_a_detector(finished, monkeypatch, capsys):
    """The whole way, with random weights: everything the demo's config has but the training."""
    pytest.importorskip('mmdet')
    from mmengine.registry import MODELS

    monkeypatch.chdir(ROOT)
    cfg = Config.fromfile('configs/demo/mask_rcnn_sda_nuclei.py')
    cfg.dump(finished / 'demo.py')
    launch.register_modules(cfg)
    torch.manual_seed(0)
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
    checkpoint = dict(state_dict=model.state_dict(), meta=dict(dataset_meta=cfg.metainfo))
    torch.save(checkpoint, finished / 'epoch_2.pth')

    run_tool(monkeypatch, finished, '--max-images', 2, '--score-thr', 0.52, '--device', 'cpu')
    assert '2 of 9 validation images' in capsys.readouterr().out
    assert len(list((finished / 'predictions').glob('*.png'))) == 2
    assert (finished / 'predictions.png').stat().st_size < 400_000
    # The AP is that of the last validation, whatever the pictures are of.
    metrics = json.loads((finished / 'metrics.json').read_text())
    assert metrics['pictures_checkpoint'] == 'epoch_2.pth' and 'checkpoint' not in metrics

    torch.save(dict(state_dict=model.backbone.state_dict()), finished / 'other.pth')
    with pytest.raises(SystemExit) as exit_info:
        run_tool(monkeypatch, finished, '--checkpoint', finished / 'other.pth', '--max-images', 1, '--device', 'cpu')
    assert exit_info.value.code == 2 and 'does not fit the model' in capsys.readouterr().err

    (finished / 'epoch_2.pth').write_bytes(b'no checkpoint')
    with pytest.raises(SystemExit) as exit_info:
        run_tool(monkeypatch, finished, '--max-images', 1, '--device', 'cpu')
    assert exit_info.value.code == 2 and 'cannot read the checkpoint' in capsys.readouterr().err


@pytest.mark.slow
def test_report_of_a_segmentor(tmp_path, monkeypatch, capsys):
    """mIoU instead of AP, and pictures of truth, prediction and wrong pixels."""
    pytest.importorskip('mmseg')
    from blob_segmentor import COLORS, write_model

    write_model(tmp_path)
    for part in ('images', 'labels'):
        (tmp_path / part).mkdir()
    labels = np.zeros((60, 80), np.uint8)
    labels[10:30, 10:50], labels[40:50, 20:70] = 1, 2
    for number in range(3):
        Image.fromarray(np.array(COLORS, np.uint8)[labels]).save(tmp_path / 'images' / f'{number}.png')
        Image.fromarray(np.where(labels == number, 255, labels)).save(tmp_path / 'labels' / f'{number}.png')
    figures = [dict(mIoU=41.29, mAcc=50.0, aAcc=82.57, step=50), dict(mIoU=89.3899, mAcc=94.83, aAcc=96.66, step=100)]
    records = [dict(loss=1.0, step=50), figures[0], dict(loss=0.5, step=100), figures[1]]
    write_part(tmp_path, FIRST, records, resources=resources(83.4))
    run_tool(monkeypatch, tmp_path, '--device', 'cpu')
    out = capsys.readouterr().out
    assert 'mIoU 0.894, mAcc 0.948, aAcc 0.967\n' in out and '1 min 23 s' in out and '3 of 3 validation images' in out
    metrics = json.loads((tmp_path / 'metrics.json').read_text())
    assert metrics['mIoU'] == 0.893899 and metrics['epoch'] is None and metrics['finished']
    assert [item['mIoU'] for item in metrics['validations']] == [0.4129, 0.893899]
    assert sorted(path.name for path in (tmp_path / 'predictions').iterdir()) == ['0.png', '1.png', '2.png']
    for name in ('predictions.png', 'curves.png'):
        with Image.open(tmp_path / name) as picture:
            assert picture.width >= 900


def test_sheet_of_labels_has_truth_prediction_and_what_is_wrong():
    names, colors = ('nothing', 'left', 'right'), ((0, 0, 0), (250, 0, 0), (0, 250, 0))
    truth, predicted = np.zeros((2, 20, 40), np.uint8)
    truth[:, :20], predicted[:, :20] = 1, 1
    predicted[:, 20:] = 2
    example = LabelExample(Image.new('RGB', (40, 20), (90, 90, 90)), truth, predicted, names, colors)
    assert example.wrong.sum() == 400 and not example.uncounted.any()
    sheet = draw_label_sheet([example, example], ['one', 'two'], 40)
    assert sheet.width >= 80 and sheet.height >= 3 * 20
    found = {color for _, color in sheet.getcolors(10**6)}
    assert {WRONG, *colors} <= found  # the legend's, at least
