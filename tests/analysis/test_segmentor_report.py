"""Reports and comparisons of segmentors: kept predictions, what the page says, worst images, intervals, the tools."""

import csv
import html
import json
import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip('mmseg')
pytest.importorskip('matplotlib')

from blob_segmentor import CLASSES, COLORS, write_model  # noqa: E402

from mmattn.analysis.compare.comparison import compare  # noqa: E402
from mmattn.analysis.compare.report import make_csv, make_markdown, make_page  # noqa: E402
from mmattn.analysis.compare.runs import read_runs  # noqa: E402
from mmattn.analysis.evaluation import checkpoint_predictions  # noqa: E402
from mmattn.analysis.evaluation.checkpoint_predictions import cache_path, predictions_of  # noqa: E402
from mmattn.analysis.evaluation.kept_labels import labels_path, predicted_labels  # noqa: E402
from mmattn.analysis.report import write_report  # noqa: E402
from mmattn.analysis.runs.metrics import in_percent  # noqa: E402
from mmattn.analysis.runs.model import find_model  # noqa: E402
from mmattn.errors import UserError  # noqa: E402

SIZE = (60, 40)


def write_images(folder, mistakes=(0, 6, 2), absent=True):
    """Images whose annotated rectangles are wider than those that the segmentor sees, by so many pixels in each.

    Args:
        absent: Whether the third class is in none of them.
    """
    for name in ('images', 'labels'):
        (folder / name).mkdir()
    for number, wider in enumerate(mistakes):
        image, labels = Image.new('RGB', SIZE, COLORS[0]), np.zeros(SIZE[::-1], np.uint8)
        image.paste(COLORS[1], (10, 10, 30, 30))
        labels[10:30, 10 : 30 + wider] = 1
        if not absent:
            image.paste(COLORS[2], (45, 5, 55, 15))
            labels[5:15, 45:55] = 2
        labels[:3] = 255
        image.save(folder / f'images/{number}.png')
        Image.fromarray(labels).save(folder / f'labels/{number}.png')


def write_folder(folder, **arguments):
    """A work folder of the segmentor, with images and label pictures."""
    folder.mkdir(exist_ok=True)
    write_images(folder, **arguments)
    return write_model(folder)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp('segmentor') / 'run')


@pytest.fixture(scope='module')
def report(trained):
    cfg, checkpoint, _ = find_model(str(trained))
    return write_report(cfg, checkpoint, trained / 'report', images=2)


def text_of(page):
    """The words of a page, without its elements."""
    return re.sub(r'\s+', ' ', html.unescape(re.sub(r'<(style|script)>.*?</\1>|<[^>]+>', ' ', page, flags=re.S)))


def iou_metric(trained):
    """What IoUMetric has of the same predictions: means, and IoU and Acc by class."""
    from mmseg.evaluation import IoUMetric

    cfg, checkpoint, _ = find_model(str(trained))
    kept, metric = cache_path(cfg, checkpoint), IoUMetric()
    metric.dataset_meta = dict(classes=CLASSES)
    for number in range(3):
        truth = torch.from_numpy(np.asarray(Image.open(trained / f'labels/{number}.png')).astype(int))
        predicted = torch.from_numpy(predicted_labels(kept, number).astype(int))
        metric.process({}, [dict(pred_sem_seg=dict(data=predicted), gt_sem_seg=dict(data=truth))])
    sums = [sum(each) for each in zip(*metric.results)]
    return metric.compute_metrics(metric.results), metric.total_area_to_metrics(*sums)


def test_figures_of_a_report_are_those_of_ioumetric_to_the_last_printed_digit(trained, report):
    printed, by_class = iou_metric(trained)
    content = json.loads(report.metrics.read_text('utf-8'))
    means = ', '.join(f'{name} {printed[name]:.2f} %' for name in ('mIoU', 'mAcc', 'aAcc'))
    assert report.lines[0] == means
    assert all(round(100 * content[name], 2) == pytest.approx(printed[name]) for name in printed)
    for name, iou, acc in zip(CLASSES, by_class['IoU'], by_class['Acc']):
        found = content['by_class'][name]
        assert (found['IoU'], found['Acc']) == (None, None) if np.isnan(iou) else (float(iou), float(acc))
    words = text_of(report.page.read_text('utf-8'))
    assert f'all images {printed["mIoU"]:.2f} {printed["mAcc"]:.2f} {printed["aAcc"]:.2f}' in words
    assert f'red 20.42 18.02 {100 * by_class["IoU"][1]:.2f}' in words and f'{CLASSES[2]} 0.00 0.00 – – – –' in words


def test_a_report_says_what_is_wrong_and_shows_the_worst_images(trained, report):
    words = text_of(report.page.read_text('utf-8'))
    assert "The most frequent confusion: 'red' taken for 'background', 100.0 % of the wrong pixels." in words
    assert f'Not annotated in these images: {CLASSES[2]}.' in words
    assert '73.8 % of the wrong pixels are up to 3 px from a border between classes' in words
    assert '2.7 % of its pixels wrong' not in words and '5.4 % of its pixels wrong' in words
    assert [path.name for path in sorted((trained / 'report/pictures').iterdir())] == ['worst-01.jpg', 'worst-02.jpg']
    assert words.index('1.png') < words.index('2.png')
    with Image.open(trained / 'report/pictures/worst-01.jpg') as picture:
        shown = np.asarray(picture.convert('RGB')).astype(int)
    # The third panel has the pixels in red that the second lacks and the first has.
    left, scale = 8 + 2 * (400 + 8), 400 / SIZE[0]
    x, y = round(33 * scale), 40 + round(20 * scale)
    assert shown[y, left + x, 0] > shown[y, left + x, 2] + 100
    assert abs(shown[y, 8 + x] - shown[y, 8 + 408 + x]).max() > 60
    tables = {path.name: list(csv.reader(path.read_text('utf-8').splitlines())) for path in report.tables}
    assert tables['confusion.csv'][1:3] == [['background', '5300', '0', '0'], ['red', '160', '1200', '0']]
    rows = {row[0]: row[1:] for row in tables['images.csv'][1:]}
    assert rows['0.png'] == ['1.0', '0.0', '1.0', '1.0', ''] and float(rows['1.png'][1]) == pytest.approx(120 / 2220)
    assert tables['by_class.csv'][3] == [CLASSES[2], '0', '0', '', '', '', '']


def test_predictions_are_kept_until_a_label_picture_is_another(trained, tmp_path, monkeypatch):
    folder = tmp_path / 'run'
    shutil.copytree(trained, folder, ignore=shutil.ignore_patterns('predictions.*', 'report'))
    (folder / 'pixels.py').write_text((folder / 'pixels.py').read_text('utf-8').replace(str(trained), str(folder)))
    cfg, checkpoint, _ = find_model(str(folder))
    first = predictions_of(cfg, checkpoint, 'cpu')
    kept = cache_path(cfg, checkpoint)

    def refuse(*args, **options):
        raise AssertionError('predicts anew')

    monkeypatch.setattr(checkpoint_predictions, 'predict', refuse)
    assert predictions_of(cfg, checkpoint, 'cpu') == json.loads(json.dumps(first))
    np.testing.assert_array_equal(predicted_labels(kept, 0)[10:30, 10:30], 1)
    zipped = labels_path(kept).read_bytes()
    labels_path(kept).write_bytes(b'no zip')
    with pytest.raises(UserError, match='delete it, and it is predicted anew'):
        predicted_labels(kept, 0)
    labels_path(kept).unlink()
    with pytest.raises(AssertionError, match='anew'):
        predictions_of(cfg, checkpoint, 'cpu')
    labels_path(kept).write_bytes(zipped)
    predictions_of(cfg, checkpoint, 'cpu')
    shutil.copy(folder / 'labels/1.png', folder / 'labels/0.png')
    with pytest.raises(AssertionError, match='anew'):
        predictions_of(cfg, checkpoint, 'cpu')


def test_an_image_list_keeps_other_label_pictures_out_of_what_predictions_depend_on(tmp_path):
    folder = write_folder(tmp_path / 'run')
    (folder / 'val.txt').write_text('0\n1\n')
    config = (folder / 'pixels.py').read_text('utf-8').replace('test_mode=True', "test_mode=True, ann_file='val.txt'")
    (folder / 'pixels.py').write_text(config, 'utf-8')
    cfg, checkpoint, _ = find_model(str(folder))
    before = cache_path(cfg, checkpoint)
    shutil.copy(folder / 'labels/1.png', folder / 'labels/2.png')
    assert cache_path(cfg, checkpoint) == before
    shutil.copy(folder / 'labels/1.png', folder / 'labels/0.png')
    assert cache_path(cfg, checkpoint) != before


def test_a_report_where_all_is_right(tmp_path):
    cfg, checkpoint, _ = find_model(str(write_folder(tmp_path / 'run', mistakes=(0, 0), absent=False)))
    result = write_report(cfg, checkpoint, tmp_path / 'report')
    assert result.lines[0] == 'mIoU 100.00 %, mAcc 100.00 %, aAcc 100.00 %'
    assert 'no class is confused with another' in result.lines
    assert 'There is no image with a wrong pixel.' in text_of(result.page.read_text('utf-8'))


def test_what_cannot_be_reported_is_one_clear_line(tmp_path):
    folder = write_folder(tmp_path / 'run')
    cfg, checkpoint, _ = find_model(str(folder))
    for path in (folder / 'labels').iterdir():
        Image.fromarray(np.full(SIZE[::-1], 255, np.uint8)).save(path)
    with pytest.raises(UserError, match='no annotated pixels of the classes of the config'):
        write_report(cfg, checkpoint, tmp_path / 'report')
    Image.fromarray(np.zeros((7, 9), np.uint8)).save(folder / 'labels/0.png')
    with pytest.raises(UserError, match=r"0.png' and its label picture differ in size \(60 × 40 and 9 × 7\)"):
        write_report(cfg, checkpoint, tmp_path / 'report')


def test_regions_that_may_be_annotated_wrongly_are_shown(tmp_path):
    folder = write_folder(tmp_path / 'run', mistakes=(0, 1))
    labels = np.asarray(Image.open(folder / 'labels/0.png')).copy()
    labels[10:30, 10:22] = 0  # half of the object is not annotated
    Image.fromarray(labels).save(folder / 'labels/0.png')
    cfg, checkpoint, _ = find_model(str(folder))
    result = write_report(cfg, checkpoint, tmp_path / 'report')
    assert '1 suspected label error: regions confidently predicted as another class' in result.lines
    words = text_of(result.page.read_text('utf-8'))
    assert 'background, or red? ' in words and '0.png, x 10, y 10, 12 × 20 px, 240 pixels: 1.00 for red' in words
    rows = list(csv.reader((tmp_path / 'report/label_errors.csv').read_text('utf-8').splitlines()))
    assert rows[1] == ['0.png', 'background', 'red', '1.0', '240', '10', '10', '12', '20']
    with Image.open(tmp_path / 'report/pictures/label-01.jpg') as picture:
        assert picture.size == (8 + 2 * 248, 32 + 178 + 8 + 26)
    assert json.loads(result.metrics.read_text('utf-8'))['calibration']['expected_calibration_error'] < 0.1


def test_logs_of_ioumetric_have_metrics_in_percent():
    record = dict(aAcc=94.83000183105469, mIoU=83.45999908447266, mAcc=float('nan'), data_time=0.1)
    assert in_percent(record) == dict(mIoU=83.46, aAcc=94.83)


def write_run(folder, widths, miou):
    """A training's work folder with a validation in its log."""
    write_folder(folder, mistakes=widths, absent=False)
    log = folder / '20260101_000000/vis_data/scalars.json'
    log.parent.mkdir(parents=True)
    records = [dict(loss=1.0, step=10), dict(mIoU=miou, mAcc=90.0, aAcc=95.0, step=10)]
    log.write_text(''.join(json.dumps(record) + '\n' for record in records))
    return folder


def test_a_comparison_has_miou_with_its_interval_and_iou_by_class(tmp_path):
    first = write_run(tmp_path / 'first', (1, 6, 2, 3), 88.0)
    # The same annotations and another network: it takes the green for red.
    second = tmp_path / 'second'
    shutil.copytree(first, second)
    config = (second / 'pixels.py').read_text('utf-8').replace(str(first), str(second))
    (second / 'pixels.py').write_text(config, 'utf-8')
    content = torch.load(second / 'iter_1.pth')
    content['state_dict']['decode_head.conv_seg.bias'] = torch.tensor([100.0, 0, -250])
    torch.save(content, second / 'iter_1.pth')
    runs = read_runs([str(first), str(second)])
    comparison = compare(runs, runs[0], predict_anew=True, resamples=50)
    whole = [run.evaluation.metrics() for run in runs]
    found = comparison.differences['second']['mIoU']
    assert found.value == pytest.approx(whole[1]['mIoU'] - whole[0]['mIoU']) and found.value < -30
    assert found.low <= found.value <= found.high and found.high - found.low > 0.01 and found.clear
    notes = ' '.join(runs[0].notes)
    assert f'its predictions give mIoU {whole[0]["mIoU"]:.1f} where the log of its last validation has 88.0' in notes
    page = make_markdown(comparison)
    assert '| first (baseline) | 88.00 | 90.00 | 95.00 |' in page and '## Errors and calibration' in page
    by_class = page[page.index('## IoU by class') :]
    assert '| second | ' in by_class and ' 0.00 |' in by_class
    rows = list(csv.DictReader(make_csv(comparison).splitlines()))
    assert float(rows[1][f'IoU of {CLASSES[2]} (%)']) == 0 and float(rows[0]['calibration error (%)']) < 5
    assert 'mIoU on the validation images' in make_page(comparison)
