"""Reports of trained models: what the page, metrics.json and the CSV files hold, the pictures, and the tool itself."""

import csv
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from mmattn.analysis.evaluation.checkpoint_predictions import cache_path
from mmattn.analysis.evaluation.classifier_figures import classifier_figures
from mmattn.analysis.evaluation.detector_figures import detector_figures
from mmattn.analysis.page import Page, render, write_page
from mmattn.analysis.report import write_report
from mmattn.analysis.report.classifier import report_classifier
from mmattn.analysis.report.detector import report_detector
from mmattn.analysis.report.drawing import COLORS, MarkedBox, draw_crop, draw_mistakes
from mmattn.analysis.runs.pictures import enlarged
from mmattn.engine import launch
from mmattn.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
SIGNS, NUCLEI = ROOT / 'configs/demo/imagenet_style_signs.py', ROOT / 'configs/demo/mask_rcnn_sda_nuclei.py'
CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
IMAGES = 3


def save_random_weights(cfg, path):
    from mmengine.registry import MODELS, init_default_scope

    launch.register_modules(cfg)
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    model = MODELS.build({'data_preprocessor': cfg.get('data_preprocessor'), **cfg.model})
    torch.save(dict(state_dict=model.state_dict()), path)


@pytest.fixture(scope='module')
def detector(tmp_path_factory):
    """The work folder of a detector with random weights, which are never so sure of a nucleus as to detect one."""
    pytest.importorskip('mmdet')
    pytest.importorskip('pycocotools')
    os.chdir(ROOT)
    folder = tmp_path_factory.mktemp('nuclei')
    truth = json.loads((ROOT / 'demo/nuclei_mini/instances_val.json').read_text())
    truth['images'] = truth['images'][:IMAGES]
    kept = {image['id'] for image in truth['images']}
    truth['annotations'] = [one for one in truth['annotations'] if one['image_id'] in kept]
    (folder / 'val.json').write_text(json.dumps(truth))
    cfg = Config.fromfile(NUCLEI)
    cfg.val_dataloader.dataset.ann_file = cfg.val_evaluator.ann_file = str(folder / 'val.json')
    cfg.model.test_cfg.rcnn.score_thr = 0.999
    cfg.dump(folder / 'nuclei.py')
    save_random_weights(cfg, folder / 'epoch_1.pth')
    (folder / 'last_checkpoint').write_text('epoch_1.pth')
    return folder


@pytest.fixture(scope='module')
def classifier(tmp_path_factory):
    pytest.importorskip('mmpretrain')
    os.chdir(ROOT)
    folder = tmp_path_factory.mktemp('signs')
    cfg = Config.fromfile(SIGNS)
    save_random_weights(cfg, folder / 'epoch_1.pth')
    return cfg, folder / 'epoch_1.pth'


def keep_predictions(folder):
    """Puts predictions beside the checkpoint as if the detector had made them; returns how many are on nothing."""
    cfg, checkpoint = Config.fromfile(folder / 'nuclei.py'), folder / 'epoch_1.pth'
    truth = json.loads((folder / 'val.json').read_text())
    boxes = []
    for number, one in enumerate(truth['annotations']):
        x, y, w, h = one['bbox']
        if number % 4:  # a quarter is missed, and what is found is a little beside
            boxes.append(
                dict(image_id=one['image_id'], category_id=1, bbox=[x + 0.1 * w, y, w, h], score=0.9 - 0.0001 * number)
            )
    nothing = [
        dict(image_id=truth['images'][0]['id'], category_id=1, bbox=[2000.0, 2000.0, 30, 30], score=0.99),
        dict(image_id=truth['images'][1]['id'], category_id=1, bbox=[1.0, 1.0, 1.5, 1.5], score=0.2),
    ]
    content = dict(
        kind='detector',
        format=3,
        annotations=str(folder / 'val.json'),
        categories=[1],
        images=[image['id'] for image in truth['images']],
        results=dict(bbox=boxes + nothing),
        settings=dict(bbox=dict(max_detections=[100, 300, 1000], ious=None, parallel=False)),
    )
    cache_path(cfg, checkpoint).write_text(json.dumps(content))


def text_of(page):
    """The words of a page, without its elements."""
    return re.sub(r'\s+', ' ', re.sub(r'<(style|script)>.*?</\1>|<[^>]+>', ' ', page, flags=re.S))


@pytest.mark.slow
def test_the_tool_reports_a_work_folder_of_a_detector(detector, tmp_path, commands):
    keep_predictions(detector)
    result = commands('report.py', detector, '--out', tmp_path, '--images', 2)
    assert result.returncode == 0, result.stderr[-2000:]
    metrics = json.loads((tmp_path / 'metrics.json').read_text(), parse_constant=pytest.fail)
    box = metrics['average_precision']['box']
    assert 0.1 < box['AP'] < 0.9 and f'{box["AP"]:.3f}' in result.stdout
    assert metrics['errors']['number']['background'] == 2 and metrics['errors']['number']['missed'] > 0
    assert metrics['suspected_label_errors'] == 1 and '1 suspected label error' in result.stdout
    assert 'the errors that cost most are missed objects' in result.stdout
    page = (tmp_path / 'report.html').read_text()
    text = text_of(page)
    for value in (
        *box.values(),
        *metrics['errors']['cost'].values(),
        *(one['AP'] for one in metrics['sizes']['box']),
        metrics['calibration']['expected_calibration_error'],
        metrics['thresholds']['nucleus']['F1'],
    ):
        assert value is None or f' {100 * value:.1f} ' in text
    numbers = metrics['confusion']['numbers']
    assert numbers[0][0] + numbers[0][1] == metrics['objects'] and f' {numbers[0][0]} ' in text
    assert metrics['mistakes']['missed'] == numbers[0][1] and metrics['mistakes']['right'] == numbers[0][0]
    assert sorted(path.name for path in (tmp_path / 'pictures').iterdir()) == [
        'label-01.jpg',
        'worst-01.jpg',
        'worst-02.jpg',
    ]
    links = re.findall(r'(?:href|src)="([^"#]+)"', page)
    assert links and all((tmp_path / link).is_file() for link in links)
    by_class = list(csv.DictReader((tmp_path / 'by_class.csv').open()))
    assert float(by_class[0]['AP']) == box['AP'] and by_class[0]['class'] == 'nucleus'
    assert sum(int(row['missed']) for row in csv.DictReader((tmp_path / 'images.csv').open())) == numbers[0][1]


def test_a_model_that_detects_nothing_is_reported_as_such(detector, tmp_path):
    for kept in detector.glob('predictions.*'):
        kept.unlink()
    result = write_report(Config.fromfile(detector / 'nuclei.py'), detector / 'epoch_1.pth', tmp_path)
    metrics = json.loads(result.metrics.read_text(), parse_constant=pytest.fail)
    assert metrics['detections'] == 0 and metrics['average_precision']['box']['AP'] == 0
    assert metrics['average_precision'].keys() == {'box', 'mask'}
    assert metrics['calibration']['expected_calibration_error'] is None
    assert 'the model detects nothing in these images' in result.lines
    assert 'detects nothing in these images' in result.page.read_text()


def test_a_classifier_is_reported_with_the_accuracy_of_its_log(classifier, tmp_path):
    cfg, checkpoint = classifier
    (tmp_path / 'pictures').mkdir()
    for name in ('worst-06.jpg', 'mine.jpg'):  # of an earlier report, and of the user
        (tmp_path / 'pictures' / name).touch()
    result = write_report(cfg, checkpoint, tmp_path, images=5)
    assert (tmp_path / 'pictures' / 'mine.jpg').exists()
    metrics = json.loads(result.metrics.read_text(), parse_constant=pytest.fail)
    kept = json.loads(next(checkpoint.parent.glob('predictions.*')).read_text())
    right = np.equal(kept['labels'], kept['predicted'])
    assert metrics['accuracy']['top-1'] == pytest.approx(100 * right.mean()) and metrics['images'] == 150
    assert np.trace(metrics['confusion']['numbers']) == right.sum()
    assert sum(one['count'] for one in metrics['calibration']['bins']) == 150
    assert len(list((tmp_path / 'pictures').glob('worst-*.jpg'))) == 5
    text = text_of(result.page.read_text())
    assert f' {metrics["accuracy"]["top-1"]:.1f} ' in text and 'Suspected label errors' in text
    wrong = list(csv.DictReader((tmp_path / 'images.csv').open()))
    assert len(wrong) == (~right).sum()
    names = {path.name: path.parent.name for path in (ROOT / 'demo/sign_digits_mini/val').glob('*/*')}
    assert all(names[row['image']] == row['class'] != row['predicted'] for row in wrong)


def test_figures_of_a_classifier_on_known_answers():
    """Three classes; the last image is labelled 0 and looks like a 1 as much as the ones do."""
    found = classifier_figures(
        dict(
            kind='classifier',
            classes=3,
            names=['a', 'b', 'c'],
            labels=[0, 0, 1, 1, 0, 0],
            predicted=[0, 1, 1, 1, 2, 1],
            ranks=[0, 1, 0, 0, 1, 2],
            scores=[0.9, 0.5, 0.8, 0.6, 0.4, 0.95],
            label_scores=[0.9, 0.4, 0.8, 0.6, 0.35, 0.01],
            indices=[0, 1, 2, 3, 4, 5],
        )
    )
    assert found.accuracy == {'top-1': 50.0}
    assert found.confusion.tolist() == [[1, 2, 1], [0, 2, 0], [0, 0, 0]]
    assert found.by_class['b'] == dict(images=2, precision=0.5, recall=1.0, F1=pytest.approx(2 / 3))
    assert found.by_class['c'] == dict(images=0, precision=0.0, recall=None, F1=None)
    assert found.by_class['a']['precision'] == 1 and found.by_class['a']['recall'] == 0.25
    # 0.5 is less than the 0.7 that ones have on average, and of class c there is nothing to compare with.
    assert found.label_errors().tolist() == [5] and found.worst().tolist() == [5, 1, 4]


@pytest.mark.parametrize(
    'change, message',
    [
        (
            lambda cfg: cfg.val_evaluator.update(type='CityScapesMetric'),
            'this config is of none: correct its evaluator',
        ),
        (lambda cfg: cfg.val_dataloader.dataset.metainfo.update(classes=('other',)), 'no annotated objects'),
        (lambda cfg: cfg.pop('test_dataloader'), 'no test_dataloader'),
        (lambda cfg: cfg.val_evaluator.update(ann_file='missing.json'), 'missing.json'),
    ],
)
def test_what_is_missing_for_a_report_is_said_in_one_line(detector, tmp_path, change, message):
    cfg = Config.fromfile(detector / 'nuclei.py')
    change(cfg)
    split = 'test' if 'test_dataloader' not in cfg else 'val'
    with pytest.raises(UserError, match=message) as caught:
        write_report(cfg, detector / 'epoch_1.pth', tmp_path, split=split)
    assert '\n' not in str(caught.value)
    assert not (tmp_path / 'report.html').exists()


def test_a_checkpoint_of_another_model_or_none_is_said_in_one_line(detector, classifier, tmp_path):
    cfg = Config.fromfile(detector / 'nuclei.py')
    with pytest.raises(UserError, match='no checkpoint at'):
        write_report(cfg, tmp_path / 'none.pth', tmp_path)
    with pytest.raises(UserError, match='epoch_1.pth') as caught:
        write_report(cfg, classifier[1], tmp_path)
    assert '\n' not in str(caught.value)


def test_predictions_of_a_classifier_are_not_used_when_an_image_has_another_label(tmp_path):
    cfg = Config(
        dict(
            model=dict(type='x'),
            val_evaluator=dict(type='Accuracy'),
            val_dataloader=dict(dataset=dict(type='CustomDataset', data_root=str(tmp_path), data_prefix='val')),
        )
    )
    checkpoint = tmp_path / 'x.pth'
    for path in (checkpoint, tmp_path / 'val' / '0' / 'a.png', tmp_path / 'val' / '1' / 'b.png'):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    before = cache_path(cfg, checkpoint)
    assert cache_path(cfg, checkpoint) == before
    (tmp_path / 'val' / '0' / 'a.png').rename(tmp_path / 'val' / '1' / 'a.png')
    moved = cache_path(cfg, checkpoint)
    cfg.val_dataloader.dataset.ann_file = 'val.txt'
    (tmp_path / 'val.txt').write_text('0/a.png 0')
    listed = cache_path(cfg, checkpoint)
    (tmp_path / 'val.txt').write_text('0/a.png 1')
    assert len({before, moved, listed, cache_path(cfg, checkpoint)}) == 4


# Pictures.


def colors_in(picture):
    """Numbers of the pixels of each kind's colour, above the legend."""
    pixels = np.asarray(picture)[:-26]
    return {
        kind: int((pixels == [int(color[i : i + 2], 16) for i in (1, 3, 5)]).all(-1).sum())
        for kind, color in COLORS.items()
    }


def test_each_kind_of_mistake_is_drawn_in_its_color():
    image = Image.new('RGB', (600, 400), (40, 40, 40))
    for kind in COLORS:
        found = colors_in(draw_mistakes(image, [MarkedBox(kind, (100, 100, 80, 60), 'name 0.50')]))
        assert found[kind] > 300 and sum(found.values()) == found[kind]
    small = draw_mistakes(image.resize((60, 40)), [MarkedBox('missed', (-5, -5, 500, 500), 'a name ' * 30)])
    assert max(small.size) == 480


def test_a_crop_holds_the_box_and_what_is_around_it_inside_the_image():
    image = Image.new('RGB', (100, 80))
    for box in ((10, 10, 20, 20), (-50, -50, 20, 20), (95, 75, 400, 400), (2000, 2000, 30, 30)):
        assert max(draw_crop(image, box).size) == 320
    assert enlarged(Image.new('RGB', (32, 16)), 960).size == (320, 160)
    assert enlarged(Image.new('RGB', (3000, 1500)), 960).size == (960, 480)


# Many classes.


def test_of_very_many_classes_the_page_shows_the_worst_and_the_files_all(tmp_path):
    """150 classes of four images each, of which those of the last five classes are taken for class 0."""
    count = 150
    labels = np.repeat(np.arange(count), 4)
    predicted = np.where(labels >= count - 5, 0, labels)
    right = labels == predicted
    figures = classifier_figures(
        dict(
            kind='classifier',
            classes=count,
            names=[f'kind {k}' for k in range(count)],
            labels=labels.tolist(),
            predicted=predicted.tolist(),
            ranks=(~right).astype(int).tolist(),
            scores=[0.9] * len(labels),
            label_scores=np.where(right, 0.9, 0.1).tolist(),
            indices=list(range(len(labels))),
        )
    )
    names = SimpleNamespace(name=lambda index: f'{index}.png', by_index=lambda index: Image.new('RGB', (8, 8)))
    content = report_classifier(figures, names, tmp_path, 3)
    text = text_of(render(Page('title', 'tool', tuple(content.sections))))
    assert 'Of 150 classes, those 100 with the lowest F1' in text
    assert 'the 20 classes with the lowest F1:' in content.lines
    assert content.metrics['confusion'] == dict(file='confusion.csv')
    assert [len(content.tables[name]) for name in ('confusion.csv', 'by_class.csv')] == [count + 1, count + 1]
    table = next(section.table for section in content.sections if section.title == 'Confusion matrix')
    assert [row.name for row in table.rows] == ['kind 0', *(f'kind {k}' for k in range(count - 5, count))]
    assert table.rows[1].cells[0].text == '4' and table.rows[1].cells[0].shade == 1


@pytest.mark.skipif(CHROMIUM is None, reason='needs chromium: apt-get install chromium')
def test_the_page_of_a_detector_is_no_wider_than_a_phone(tmp_path):
    """Only the frames of the tables scroll sideways, with names of classes that are long."""
    pytest.importorskip('pycocotools')
    names = [f'a class with quite a long name {"and_without_spaces" * 3} {k}' for k in range(12)]
    objects = [
        dict(id=k + 1, image_id=1, category_id=k + 1, bbox=[20 * k, 10, 15, 30], area=450, iscrowd=0) for k in range(12)
    ]
    found = [
        dict(image_id=1, category_id=k % 9 + 1, bbox=[20 * k + 1, 10, 15, 30], score=0.9 - k / 20) for k in range(12)
    ]
    figures = detector_figures(
        dict(
            images=[1],
            categories=list(range(1, 13)),
            results=dict(bbox=found),
            annotations=dict(
                images=[dict(id=1, file_name='b' * 90 + '.png', width=300, height=60)],
                annotations=objects,
                categories=[dict(id=k + 1, name=name) for k, name in enumerate(names)],
            ),
            settings=dict(bbox=dict(max_detections=[1, 10, 100], ious=None)),
        )
    )
    content = report_detector(figures, SimpleNamespace(by_id=lambda _: Image.new('RGB', (300, 60))), tmp_path, 5)
    write_page(
        Page('title', 'tool', tuple(content.sections), content.facts, content.series, contents=True),
        tmp_path / 'report.html',
    )
    (tmp_path / 'frame.html').write_text("""<body><iframe id="f" src="report.html" width="390" height="800"></iframe>
<script>onload = () => {
  const page = document.getElementById('f').contentDocument;
  document.body.innerText = JSON.stringify({width: page.documentElement.scrollWidth, shaded: [
    ...page.querySelectorAll('.shaded')].map(e => page.defaultView.getComputedStyle(e).backgroundColor)});
}</script>""")
    done = subprocess.run(
        [
            CHROMIUM,
            '--headless',
            '--no-sandbox',
            '--disable-gpu',
            '--no-first-run',
            '--disable-background-networking',
            '--allow-file-access-from-files',
            f'--user-data-dir={tmp_path / "profile"}',
            '--window-size=800,900',
            '--dump-dom',
            (tmp_path / 'frame.html').as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = json.loads(done.stdout[done.stdout.index('{') : done.stdout.rindex('}') + 1])
    assert found['width'] <= 390
    assert len(found['shaded']) == np.count_nonzero(figures.confusion) > 9
    assert not any(color.startswith('rgba(0, 0, 0, 0') for color in found['shaded'])
