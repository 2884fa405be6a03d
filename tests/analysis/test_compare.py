"""The comparison of trainings: reading runs, COCO's figures of resamples, tables, the page, and the tool itself."""

import contextlib
import csv
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmattn.analysis.charts import series_style
from mmattn.analysis.compare.comparison import (
    Comparison,
    _reason,
    compare,
    evaluate_predictions,
    find_differences,
    find_published,
    time_network,
)
from mmattn.analysis.compare.intervals import difference, resample
from mmattn.analysis.compare.latency import Latency
from mmattn.analysis.compare.metrics import Answers, CocoEvaluation
from mmattn.analysis.compare.report import check_outputs, make_csv, make_markdown, make_page, thinned
from mmattn.analysis.compare.runs import DAMAGED, FINISHED, NO_RESULT, UNFINISHED, find_run, read_run, read_runs
from mmattn.analysis.complexity import read_metafiles
from mmattn.analysis.evaluation.checkpoint_predictions import _answers, _arguments, cache_path, load_predictions
from mmattn.analysis.runs.metrics import in_percent
from mmattn.engine import launch
from mmattn.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / 'tools' / 'compare.py'
CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
SIGNS, NUCLEI = ROOT / 'configs/demo/imagenet_style_signs.py', ROOT / 'configs/demo/mask_rcnn_sda_nuclei.py'


def ap_record(epoch, ap):
    values = {'': ap, '_50': ap + 0.2, '_75': ap - 0.1, '_s': ap, '_m': ap, '_l': -1.0}
    return {
        'step': epoch,
        **{f'coco/{kind}_mAP{size}': value for kind in ('bbox', 'segm') for size, value in values.items()},
    }


def write_run(folder, records, epochs=2, tail='', config=None, name='plain.py'):
    """A work folder whose log has these records after each epoch's loss."""
    log = folder / '20260101_000000' / 'vis_data' / 'scalars.json'
    log.parent.mkdir(parents=True)
    lines = []
    for epoch, record in enumerate(records, start=1):
        lines += [dict(loss=2.0 / epoch, step=10 * epoch, epoch=epoch), record]
    log.write_text(''.join(json.dumps(line) + '\n' for line in lines) + tail)
    text = f"train_cfg = dict(max_epochs={epochs})\nmodel = dict(type='MaskRCNN', backbone=dict(type='ResNet'))\n"
    (folder / name).write_text(text if config is None else config)
    return folder


@pytest.fixture
def three(tmp_path):
    """A finished run, one that broke off, and one with a damaged log."""
    write_run(tmp_path / 'good', [ap_record(1, 0.2), ap_record(2, 0.3)])
    write_run(tmp_path / 'short', [ap_record(1, 0.25)])
    write_run(tmp_path / 'broken', [ap_record(1, 0.2)], tail='{"lo\n{"loss": 1, "step": 30}\n')
    return [tmp_path / name for name in ('good', 'short', 'broken')]


# Reading.


def test_states_of_runs(three):
    good, short, broken = read_runs(list(map(str, three)))
    assert (good.state, good.reached, good.metrics['box AP50']) == (FINISHED, '', 50.0)
    assert (short.state, short.reached, short.metrics['mask AP']) == (UNFINISHED, 'epoch 1 of 2', 25.0)
    assert broken.state == NO_RESULT and 'damaged in line 3' in broken.reached and broken.metrics == {}
    assert 'box AP_L' not in good.metrics


@pytest.mark.parametrize('config, state', [('train_cfg = dict(', DAMAGED), ('raise KeyError("x")', DAMAGED)])
def test_a_damaged_config_leaves_the_metrics(tmp_path, config, state):
    run = read_run('run', write_run(tmp_path / 'run', [ap_record(1, 0.2)], config=config))
    assert run.state == state and run.reached and run.metrics['box AP'] == 20.0 and run.cfg is None


@pytest.mark.parametrize(
    'record',
    [
        dict(loss='x', step=1),
        dict(loss=1.0, step=1, epoch='x'),
        {'coco/bbox_mAP': 'x', 'step': 1},
        {'coco/bbox_mAP': [1], 'step': 1},
        {'coco/bbox_mAP': None, 'step': 1},
        {'accuracy/top1': 'x', 'step': 1},
    ],
)
@pytest.mark.parametrize(
    'config',
    [
        'train_cfg = 3',
        "train_cfg = dict(max_epochs='x')",
        'model = 3',
        'model = dict(type=3, backbone=5)',
        'default_scope = 3',
        'val_evaluator = 3',
    ],
)
def test_whatever_a_log_or_config_holds_costs_only_its_own_run(tmp_path, record, config):
    first = write_run(tmp_path / 'first', [ap_record(1, 0.2)])
    runs = read_runs([str(first), str(write_run(tmp_path / 'second', [record], config=config))])
    comparison = compare(runs, runs[0], predict_anew=True, latency=0.01)
    assert '20.0' in make_markdown(comparison) and make_csv(comparison).count('\n') == 3
    if config == 'train_cfg = 3':
        make_page(comparison)


def test_a_run_whose_name_is_a_formula_is_text_in_a_table_of_numbers(tmp_path):
    run = write_run(tmp_path / '=1+1', [ap_record(1, 0.2)])
    assert "\n'=1+1," in make_csv(compare(read_runs([str(run)])))


def test_the_epoch_of_the_checkpoint_is_named_where_it_is_not_that_of_the_log(tmp_path):
    run = read_run('run', write_run(tmp_path / 'run', [ap_record(1, 0.2)]))
    torch.save(dict(state_dict={'x': torch.zeros(1)}, meta=dict(epoch=2, iter=20)), tmp_path / 'run' / 'epoch_2.pth')
    (tmp_path / 'run' / 'last_checkpoint').write_text('epoch_2.pth')
    assert _reason(run) == 'the checkpoint is of epoch 2, that validation was in epoch 1'
    run.history.validations[-1].epoch = 2
    assert 'the machine is not the same' in _reason(run)


def test_a_folder_that_is_missing_or_empty(tmp_path):
    assert read_run('x', tmp_path / 'missing').state == NO_RESULT
    run = read_run('x', tmp_path)
    assert run.state == NO_RESULT and 'no training' in run.reached and 'no config' in run.notes[0]


def test_resources_of_a_wrong_kind_do_not_end_the_report(tmp_path):
    folder = write_run(tmp_path / 'run', [ap_record(1, 0.2)])
    (folder / '20260101_000000' / 'resources.json').write_text(
        '{"wall_time_s": "long", "peak_memory_bytes": 1, "device": "cpu"}'
    )
    assert read_run('run', folder).state == NO_RESULT


def test_names_of_runs(tmp_path):
    first, second = write_run(tmp_path / 'a' / 'run', []), write_run(tmp_path / 'b' / 'run', [])
    runs = read_runs([str(first), f'mine={second}'])
    assert [run.name for run in runs] == ['a/run', 'mine']
    assert find_run(runs, str(second)) is runs[1] and find_run(runs, 'a/run') is runs[0]
    with pytest.raises(UserError, match='two runs are in'):
        read_runs([str(first), f'again={first}'])
    with pytest.raises(UserError, match="two runs are named 'x'"):
        read_runs([f'x={first}', f'x={second}'])
    with pytest.raises(UserError, match='choose one of: a/run, mine'):
        find_run(runs, 'other')


def test_metrics_that_are_undefined_have_no_value():
    assert in_percent({'bbox_mAP': 0.406, 'bbox_mAP_l': -1.0, 'bbox_mAP_s': float('nan')}) == {'box AP': 40.6}
    assert in_percent({'top1': 77.5, 'top5': float('nan')}) == {'top-1': 77.5}
    assert in_percent({'time': 1.0}) == {}


# COCO.


def random_coco(path, images, generator):
    """Objects and overlapping detections in random images: two classes, crowds, sizes of all kinds."""
    truth, found = [], []
    for image in images:
        for _ in range(generator.integers(1, 7)):
            x, y, w, h = (*generator.uniform(0, 200, 2), *generator.uniform(8, 160, 2))
            category = int(generator.integers(1, 3))
            truth.append(
                dict(
                    id=len(truth) + 1,
                    image_id=image,
                    category_id=category,
                    bbox=[x, y, w, h],
                    area=w * h,
                    iscrowd=int(generator.random() < 0.1),
                )
            )
            for _ in range(generator.integers(0, 4)):
                moved = generator.normal(0, 0.1, 4) * (w, h, w, h) + (x, y, w, h)
                found.append(
                    dict(
                        image_id=image,
                        category_id=category,
                        score=float(generator.random()),
                        bbox=[float(v) for v in np.maximum(moved, 1)],
                    )
                )
    path.write_text(
        json.dumps(
            dict(
                images=[dict(id=image, width=400, height=400) for image in images],
                annotations=truth,
                categories=[dict(id=1, name='a'), dict(id=2, name='b')],
            )
        )
    )
    return truth, found


def official(path, found):
    """The six average precisions as pycocotools gives them."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(path))
        evaluator = COCOeval(truth, truth.loadRes(found), 'bbox')
        evaluator.params.maxDets = [100, 300, 1000]
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return 100 * evaluator.stats[:6]


def copied(path, truth, found, counts):
    """The same data with each image as often as `counts` says, under new ids."""
    content = json.loads(path.read_text())
    objects, detections, images = [], [], []
    for image, count in counts.items():
        for copy in range(count):
            new = 1000 * (copy + 1) + image
            images.append(dict(id=new, width=400, height=400))
            objects += [{**o, 'image_id': new} for o in truth if o['image_id'] == image]
            detections += [{**d, 'image_id': new} for d in found if d['image_id'] == image]
    for number, item in enumerate(objects, start=1):
        item['id'] = number
    other = path.with_name('copied.json')
    other.write_text(json.dumps({**content, 'images': images, 'annotations': objects}))
    return other, detections


def test_precisions_are_those_of_pycocotools_also_of_a_resample(tmp_path):
    pytest.importorskip('pycocotools')
    path, images = tmp_path / 'truth.json', list(range(1, 13))
    truth, found = random_coco(path, images, np.random.default_rng(0))
    evaluation = CocoEvaluation(str(path), [dict(d) for d in found], 'bbox', images, [1, 2])
    ours = list(evaluation.precisions().values())
    np.testing.assert_allclose(ours, official(path, [dict(d) for d in found]), atol=1e-9)
    assert 5 < ours[0] < 95  # neither all nor nothing is found
    weights = np.array([2, 0, 1, 1, 0, 3, 1, 0, 1, 1, 2, 0])
    other, detections = copied(path, truth, found, dict(zip(images, weights.tolist(), strict=True)))
    resampled = list(evaluation.precisions(weights.astype(float)).values())
    np.testing.assert_allclose(resampled, official(other, detections), atol=1e-9)
    recall, precision = evaluation.curve(0.5)
    assert len(recall) == 101 and (np.diff(precision) <= 1e-12).all()
    assert np.isclose(precision.mean() * 100, ours[1])


def crowded_coco(path, images=(1, 2), objects=130):
    """More objects in an image than 100, all found, by detections whose scores say nothing."""
    generator = np.random.default_rng(2)
    boxes = [[float(8 * (i % 20)), float(8 * (i // 20)), 6.0, 6.0] for i in range(objects)]
    truth = [
        dict(id=1 + i + objects * n, image_id=image, category_id=1, bbox=box, area=36.0, iscrowd=0)
        for n, image in enumerate(images)
        for i, box in enumerate(boxes)
    ]
    path.write_text(
        json.dumps(
            dict(
                images=[dict(id=image, width=200, height=200) for image in images],
                annotations=truth,
                categories=[dict(id=1, name='a')],
            )
        )
    )
    return [dict(image_id=o['image_id'], category_id=1, bbox=o['bbox'], score=float(generator.random())) for o in truth]


@pytest.mark.slow
@pytest.mark.parametrize(
    'settings',
    [
        dict(),
        dict(proposal_nums=(1, 10, 100)),
        dict(proposal_nums=(100, 1, 10)),
        dict(proposal_nums=(300, 500, 1000)),
        dict(proposal_nums=(100, 110, 120, 1000)),
        dict(use_mp_eval=True),
        dict(use_mp_eval=True, proposal_nums=(1, 20)),
        dict(iou_thrs=np.array([0.5, 0.6])),
        dict(classwise=True),
    ],
    ids=str,
)
def test_predictions_are_evaluated_as_the_log_was(tmp_path, settings):
    """Against mmdet's CocoMetric itself, where the limits of detections matter."""
    pytest.importorskip('mmdet')
    from mmdet.evaluation import CocoMetric

    path = tmp_path / 'truth.json'
    found = crowded_coco(path)
    metric = CocoMetric(ann_file=str(path), **settings)
    metric.dataset_meta = dict(classes=['a'])
    for image in (1, 2):
        own = [d for d in found if d['image_id'] == image]
        boxes = torch.tensor([d['bbox'] for d in own])
        metric.process(
            {},
            [
                dict(
                    img_id=image,
                    ori_shape=(200, 200),
                    pred_instances=dict(
                        bboxes=torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1),
                        scores=torch.tensor([d['score'] for d in own]),
                        labels=torch.zeros(len(own), dtype=torch.long),
                    ),
                )
            ],
        )
    with contextlib.redirect_stdout(io.StringIO()):
        logged = in_percent({name.removeprefix('coco/'): value for name, value in metric.evaluate(2).items()})
    ours = CocoEvaluation(str(path), found, 'bbox', [1, 2], [1], **_arguments(settings)).precisions()
    assert {
        f'box {name}': pytest.approx(value, abs=0.051) for name, value in ours.items() if f'box {name}' in logged
    } == logged
    assert ('box AP' in logged) == (not np.isnan(ours['AP']))


def test_nothing_detected(tmp_path):
    pytest.importorskip('pycocotools')
    path = tmp_path / 'truth.json'
    random_coco(path, [1, 2], np.random.default_rng(0))
    assert CocoEvaluation(str(path), [], 'bbox', [1, 2], [1, 2]).precisions()['AP'] == 0
    with pytest.raises(UserError, match='lacks images'):
        CocoEvaluation(str(path), [], 'bbox', [1, 77], [1, 2])


# Differences.


def answers(right, labels=None):
    return Answers(tuple(labels or range(len(right))), np.where(right, 0, 7), 10)


def test_interval_of_a_difference():
    generator = np.random.default_rng(3)
    worse = generator.random(400) < 0.6
    better = worse | (generator.random(400) < 0.5)
    drawn = resample({'worse': answers(worse), 'better': answers(better)}, 500)
    value = 100 * (better.mean() - worse.mean())
    found = difference(value, drawn['better']['top-1'], drawn['worse']['top-1'])
    assert found.low < value < found.high and found.clear
    # of a paired difference of shares: 1.96 standard errors to each side
    error = 100 * (better & ~worse).std() / 20
    assert np.isclose(found.high - found.low, 2 * 1.96 * error, rtol=0.15)
    same = difference(0, drawn['worse']['top-1'], drawn['worse']['top-1'])
    assert (same.low, same.high, same.clear) == (0, 0, False)


def test_draws_without_objects_are_left_out():
    nan = float('nan')
    assert difference(1, np.array([nan, 2, 2]), np.array([1, 1, nan])).low == 1
    assert difference(1, np.array([nan]), np.array([1.0])).low is None


def test_no_interval_for_other_images(three):
    good, short, _ = read_runs(list(map(str, three)))
    good.evaluation, short.evaluation = answers([True] * 4), answers([True] * 4, labels=[1] * 4)
    comparison = Comparison([good, short], good)
    find_differences(comparison, 100)
    assert comparison.differences['short']['box AP'].low is None
    assert np.isclose(comparison.differences['short']['box AP'].value, -5)
    assert 'not those of good' in short.notes[-1] and comparison.resamples == 0


DATA = """train_cfg = dict(max_epochs=2)
val_dataloader = dict(dataset=dict(type='CocoDataset', metainfo=dict(classes={classes})))
val_evaluator = dict(type='CocoMetric', ann_file='{path}')
"""


def test_runs_on_other_data_or_classes_are_not_compared(tmp_path, capsys):
    for name in ('first', 'copy', 'other'):
        (tmp_path / f'{name}.json').write_text('{}' if name != 'other' else '{"images": []}')
    runs = {}
    for name, data, classes in (
        ('a', 'first', ('cell',)),
        ('b', 'copy', ('cell',)),
        ('c', 'other', ('cell',)),
        ('d', 'first', ('cat', 'dog')),
        ('e', 'gone', ('cell',)),
    ):
        config = DATA.format(classes=classes, path=tmp_path / f'{data}.json')
        records = [ap_record(1, 0.2), ap_record(2, 0.2 + len(runs) / 10)]
        runs[name] = str(write_run(tmp_path / name, records, config=config))
    for other in ('b', 'e'):  # a copy, and data that are not there
        read = read_runs([runs['a'], runs[other]])
        comparison = compare(read, read[0])
        assert not comparison.unlike and comparison.differences and '**' in make_markdown(comparison)
    for other, said in (
        ('c', 'c was validated on other images or annotations than a: their metrics cannot be compared'),
        ('d', 'd was validated on other classes (cat, dog) than a (cell): their metrics cannot be compared'),
    ):
        read = read_runs([runs[other], runs['a']])
        comparison = compare(read, read[1])
        text = make_markdown(comparison)
        assert said in capsys.readouterr().err.splitlines() and not comparison.differences
        assert f'{said}; none is marked' in text and '**' not in text and 'Difference to' not in text
        assert said in make_page(comparison)


@pytest.mark.parametrize(
    'settings', [dict(), dict(topk=(1, 2)), dict(topk=2, thrs=None), dict(topk=(1, 3), thrs=0.3)], ids=str
)
def test_a_classifier_is_evaluated_as_the_log_was(settings):
    """Against mmpretrain's Accuracy, with equal scores, scores of nothing and NaN."""
    pytest.importorskip('mmpretrain')
    from mmengine.structures import BaseDataElement
    from mmpretrain.evaluation import Accuracy

    generator = torch.Generator().manual_seed(0)
    scores = [
        torch.tensor([0.25] * 4),
        torch.tensor([0.0, 0.0, 1.0, 0.0]),
        torch.tensor([float('nan')] * 4),
        *torch.rand(40, 4, generator=generator).mul(3).round().div(3),
    ]
    samples = [BaseDataElement(pred_score=row, gt_label=torch.tensor([i % 4])) for i, row in enumerate(scores)]
    metric = Accuracy(**settings)
    metric.process(None, [sample.to_dict() for sample in samples])
    logged = {name.removeprefix('accuracy/top'): value for name, value in metric.evaluate(len(samples)).items()}
    found = _answers([(None, samples)], settings)
    for k, value in logged.items():
        assert 100 * np.mean(np.array(found['ranks']) < int(k)) == pytest.approx(value, abs=1e-4)
    with pytest.raises(UserError, match='this config is of none'):
        _answers([(None, [BaseDataElement()])], {})


# Published figures.


def test_published_figures_are_found_by_the_name_of_the_config():
    rows = read_metafiles(ROOT)
    direct = find_published(Path('mask-rcnn_sda-resnet86_fpn_1x_coco.py'), rows, ROOT)
    assert direct and direct[0].figures.parameters == '45.75' and 'mask AP 36.5' in direct[0].accuracy
    assert find_published(Path('mask_rcnn_sda.py'), rows, ROOT) == direct  # its alias config
    assert find_published(Path('my_own.py'), rows, ROOT) == []


# Charts.


def test_long_losses_are_thinned_by_means():
    x, y = thinned(range(1000), [1.0, 3.0] * 500)
    assert len(x) == 160 and np.allclose(y, 2, atol=0.2) and (np.diff(x) > 0).all() and x[-1] > 990


def elements(page, tag):
    """Attributes of the elements of a tag in a page."""
    found = []
    parser = HTMLParser()
    parser.handle_starttag = lambda name, attributes: found.append(dict(attributes)) if name == tag else None
    parser.handle_startendtag = parser.handle_starttag
    parser.feed(page)
    return found


def test_charts_leave_out_what_is_not_finite_and_keep_their_ids_apart(tmp_path):
    pytest.importorskip('matplotlib')
    records = [
        {**ap_record(epoch, 0.2 * epoch), 'coco/bbox_mAP': value}
        for epoch, value in enumerate((0.2, float('nan'), 0.4), start=1)
    ]
    runs = read_runs([f'a<b={write_run(tmp_path / "first", records)}', str(write_run(tmp_path / 'second', records))])
    page = make_page(compare(runs))
    ids = [
        attributes['id']
        for tag in ('path', 'clippath', 'g')
        for attributes in elements(page, tag)
        if 'id' in attributes
    ]
    assert len(elements(page, 'svg')) == 3 and ids and len(set(ids)) == len(ids)
    assert all(f'id="{reference}"' in page for reference in re.findall(r'(?:url\(|href=")#([^")]+)', page))
    assert page.count('a&lt;b: 20.0 at 1') == 2 and 'a&lt;b: 40.0 at 3' in page  # once for boxes, once for masks
    assert not re.search(r'\b(nan|inf)\b', ''.join(attributes.get('d', '') for attributes in elements(page, 'path')))
    assert not elements(page[page.index('<svg') :], 'style') and 'Training loss: a&lt;b, second' in page


def test_series_with_the_same_color_have_other_strokes():
    looks = [series_style(number) for number in range(24)]
    assert len({(look['color'], str(look['linestyle'])) for look in looks}) == 24


# The page, Markdown and CSV.


def test_reports_of_unfinished_and_damaged_runs(three):
    evil = '<script>x'
    runs = read_runs([f'{evil}={three[0]}', *map(str, three[1:])])
    runs[0].latency = Latency(0.0123, 0.012, 0.013, 9, 'a machine')
    comparison = compare(runs, runs[0], resamples=10)
    page, text, table = make_page(comparison), make_markdown(comparison), make_csv(comparison)

    for inside in ('epoch 1 of 2', 'damaged in line 3', '−5.0', '12.3', 'a machine', 'viewport', '&lt;script&gt;x'):
        assert inside in page
    assert page.count('<script') == 1 and '</script>\n</body>' in page
    for outside in (evil, '<link', '<a ', ' src=', '@import'):
        assert outside not in page
    assert all(target.startswith('#') for target in re.findall(r'(?:url\(|href=")([^")]+)', page))
    good, short, broken = csv.DictReader(io.StringIO(table))
    assert (good['box AP (%)'], short['mask AP difference'], short['state']) == ('30.0', '-5.0', 'unfinished')
    assert broken['state'] == 'no result' and not any(
        value for name, value in broken.items() if name not in ('run', 'work_dir', 'state', 'reached')
    )
    accuracy = text.partition('## Accuracy')[2].partition('##')[0]
    assert '| broken (no result) | – |' in accuracy and '\\<script' in text
    assert '**30.0**' not in accuracy  # the best of one finished run is no news


def test_a_page_of_no_usable_run(tmp_path):
    comparison = compare(read_runs([str(tmp_path / 'none'), str(tmp_path / 'nothing')]))
    assert 'no folder' in make_page(comparison) and '<svg' not in make_page(comparison)
    assert make_csv(comparison).count('no result') == 2


def test_the_suffix_names_the_format():
    check_outputs([Path('a.html'), Path('a.md'), Path('a.csv')])
    with pytest.raises(UserError, match='.html, .md, .csv'):
        check_outputs([Path('a.pdf')])


# With models.


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Work folders of a classifier and a detector with random weights, as a training leaves them."""
    pytest.importorskip('mmpretrain')
    pytest.importorskip('mmdet')
    os.chdir(ROOT)
    folders = {}
    for config, record in (
        (SIGNS, {'accuracy/top1': 37.0, 'accuracy/top5': 50.0, 'step': 1}),
        (NUCLEI, ap_record(1, 0.3)),
    ):
        folder = tmp_path_factory.mktemp(config.stem)
        cfg = Config.fromfile(config)
        write_run(folder, [record], config=cfg.pretty_text, name=config.name)
        launch.register_modules(cfg)
        from mmengine.registry import MODELS, init_default_scope

        init_default_scope(cfg.default_scope)
        torch.manual_seed(0)
        model = MODELS.build({'data_preprocessor': cfg.get('data_preprocessor'), **cfg.model})
        torch.save(dict(state_dict=model.state_dict()), folder / 'epoch_1.pth')
        (folder / 'last_checkpoint').write_text('/elsewhere/epoch_1.pth')
        folders[config.stem] = folder
    return folders


def run_tool(monkeypatch, *args):
    monkeypatch.chdir(ROOT)
    spec = importlib.util.spec_from_file_location('compare_tool', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
    launch.run(tool.main)


def test_the_tool_with_a_classifier(trained, tmp_path, monkeypatch, capsys):
    pytest.importorskip('mmpretrain')
    first, second = trained[SIGNS.stem], tmp_path / 'second'
    shutil.copytree(first, second)
    out = [tmp_path / f'report{suffix}' for suffix in ('.html', '.csv')]
    run_tool(
        monkeypatch,
        first,
        f'second={second}',
        '--baseline',
        'second',
        '--predict',
        '--latency',
        0.01,
        '--resamples',
        20,
        '--device',
        'cpu',
        '--out',
        out[0],
        '--out',
        out[1],
    )
    one, other = csv.DictReader(out[1].open())
    assert float(one['top-1 difference']) == 0 and one['top-1 difference low'] == '0.0'
    assert other['top-1 difference'] == '' and float(other['latency (s)']) > 0
    assert int(one['parameters']) > 0 and one['state'] == 'unfinished'
    assert one['F1 of 3 (%)'] == other['F1 of 3 (%)'] and 0 < float(one['calibration error (%)']) < 100
    assert 'F1 by class' in out[0].read_text() and 'Errors and calibration' in out[0].read_text()
    assert '20 resamples' in out[0].read_text() and 'the log of its last validation' in out[0].read_text()
    [kept] = first.glob('predictions.*.json')
    assert len(json.loads(kept.read_text())['ranks']) == 150
    assert '20/20' in capsys.readouterr().err


@pytest.mark.slow
def test_the_tool_with_a_detector(trained, tmp_path, monkeypatch):
    pytest.importorskip('mmdet')
    pytest.importorskip('pycocotools')
    folder = trained[NUCLEI.stem]
    run_tool(monkeypatch, folder, '--predict', '--device', 'cpu', '--out', tmp_path / 'report.html')
    cfg, checkpoint = Config.fromfile(folder / NUCLEI.name), folder / 'epoch_1.pth'
    found = load_predictions(cache_path(cfg, checkpoint))
    assert len(found['images']) == 9 and set(found['results']) == {'bbox', 'segm'}
    # With new predictions in the same place, a page shows their curves without --predict.
    truth = json.loads((ROOT / found['annotations']).read_text())['annotations']
    found['results']['bbox'] = [
        dict(image_id=o['image_id'], category_id=o['category_id'], bbox=o['bbox'], score=0.9) for o in truth
    ]
    found['results'].pop('segm')
    cache_path(cfg, checkpoint).write_text(json.dumps(found))
    run_tool(monkeypatch, folder, '--out', tmp_path / 'report.html')
    page = (tmp_path / 'report.html').read_text()
    assert 'Errors and calibration' in page and 'localisation</th>' in page
    assert 'box, IoU ≥ 0.75' in page and 'its predictions give box AP 100.0' in page


def test_a_damaged_checkpoint_costs_only_its_own_predictions(trained, tmp_path, monkeypatch, capsys):
    pytest.importorskip('mmpretrain')
    monkeypatch.chdir(ROOT)
    shutil.copytree(trained[SIGNS.stem], tmp_path / 'run')
    (tmp_path / 'run' / 'epoch_1.pth').write_bytes(b'half a file')
    run = read_run('run', tmp_path / 'run')
    evaluate_predictions(run, 'cpu')
    assert run.evaluation is None and 'is not a checkpoint' in run.notes[-1] and run.metrics['top-1'] == 37
    assert f'run: {run.notes[-1]}' in capsys.readouterr().err
    time_network(run, 'cpu', 0.01)
    assert run.latency is None and f'run: {run.notes[-1]}' in capsys.readouterr().err


def test_predictions_of_another_checkpoint_or_damaged_ones_are_not_used(trained, tmp_path):
    shutil.copytree(trained[SIGNS.stem], tmp_path / 'run')
    cfg, checkpoint = Config.fromfile(tmp_path / 'run' / SIGNS.name), tmp_path / 'run' / 'epoch_1.pth'
    before = cache_path(cfg, checkpoint)
    before.write_text('{"kind": "classi')
    assert load_predictions(before) is None
    with checkpoint.open('ab') as file:
        file.write(b'x')
    assert cache_path(cfg, checkpoint) != before
    cfg.val_dataloader.batch_size = 7
    assert cache_path(cfg, checkpoint) != cache_path(Config.fromfile(tmp_path / 'run' / SIGNS.name), checkpoint)


@pytest.mark.parametrize(
    'args, message',
    [
        (['--out', 'report.pdf'], "--out 'report.pdf'"),
        (['--out', 'a.md', '--baseline', 'x'], "baseline 'x' is none"),
        (['--out', 'README.md/a.md'], "'README.md' is a file"),
        (['--out', 'a.md', '--predict', '--device', 'nonsense'], '--device nonsense'),
        (['--out', 'a.md', '--latency', '1', '--device', 'nonsense'], '--device nonsense'),
    ],
)
def test_errors_of_the_tool_are_one_line(three, monkeypatch, capsys, args, message):
    with pytest.raises(SystemExit) as exit_info:
        run_tool(monkeypatch, *three, *args)
    error = capsys.readouterr().err
    assert exit_info.value.code == 2 and message in error and error.count('\n') == 1


@pytest.mark.slow
def test_extras_are_needed_only_where_they_are_used(tmp_path):
    program = """
import sys
import mmattn.errors
sys.modules['matplotlib'] = sys.modules['pycocotools'] = sys.modules['mmdet'] = sys.modules['mmpretrain'] = None
from pathlib import Path
from mmattn.analysis.compare.metrics import CocoEvaluation
from mmattn.analysis.compare.report import check_outputs
check_outputs([Path('report.md')])
try:
    CocoEvaluation('truth.json', [], 'bbox', [1], [1])
except mmattn.errors.UserError as error:
    print(error)
try:
    check_outputs([Path('report.html')])
except mmattn.errors.UserError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, '-c', program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
    )
    assert 'pip install pycocotools' in done.stdout and "'mmattn[viz]'" in done.stdout, done.stderr


@pytest.mark.skipif(CHROMIUM is None, reason='needs chromium: apt-get install chromium')
def test_the_page_in_a_browser_as_wide_as_a_phone(three, tmp_path):
    """Only the tables' frames scroll sideways, a switch hides a run's lines, and a click or key enlarges a chart."""
    runs = read_runs([f'a run with quite a long name={three[0]}', *map(str, three[1:])])
    (tmp_path / 'report.html').write_text(make_page(compare(runs, runs[0])), encoding='utf-8')
    (tmp_path / 'frame.html').write_text("""<body><iframe id="f" src="report.html" width="390" height="800"></iframe>
<script>onload = () => {
  const page = document.getElementById('f').contentDocument, all = s => [...page.querySelectorAll(s)];
  const seen = () => all('figure svg .series-0').filter(e => e.getClientRects().length).length;
  const dialog = page.querySelector('dialog'), enlarged = () => dialog.querySelector('.frame svg')?.ariaLabel;
  const press = key => dialog.dispatchEvent(new page.defaultView.KeyboardEvent('keydown', {key}));
  const before = seen(); page.getElementById('show-0').click();
  const charts = all('figure svg').map(e => e.getBoundingClientRect().width), after = seen(), opened = [dialog.open];
  all('.enlarge')[0].click(); opened.push(dialog.open, enlarged());
  press('ArrowLeft'); opened.push(enlarged());
  dialog.querySelector('button').click(); opened.push(dialog.open);
  document.body.innerHTML = JSON.stringify({
    width: page.documentElement.scrollWidth, before, after, charts, opened, rows: all('tbody tr').length,
    scrolling: all('.scroll').filter(e => e.scrollWidth > e.clientWidth).length,
    letters: Math.min(...all('p, td, th, li').map(e => parseFloat(page.defaultView.getComputedStyle(e).fontSize)))});
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
    assert found['width'] <= 390 and found['scrolling'] >= 1 and found['letters'] >= 12
    assert len(found['charts']) == 3 and all(300 < width < 390 for width in found['charts'])
    assert found['before'] == 3 and found['after'] == 0 and found['rows'] == 3 + 3 + 2 + 3
    assert found['opened'][:2] == [False, True] and found['opened'][4] is False
    assert found['opened'][2].startswith('Training loss:') and found['opened'][3].startswith('mask AP')
