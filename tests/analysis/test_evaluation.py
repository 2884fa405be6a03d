"""The files of tools/test.py --out: metrics of every shape, predictions, COCO's result lists."""

import json
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.evaluator import BaseMetric, Evaluator

from mmattn.analysis.evaluation import Outputs
from mmattn.errors import UserError

CLASSES = ('ant', 'bee', 'cow')
SIZE = (60, 80)


class Given(BaseMetric):
    """A metric with a given result."""

    default_prefix = 'given'

    def __init__(self, found):
        super().__init__()
        self.found = found

    def process(self, data_batch, data_samples):
        self.results.extend(data_samples)

    def compute_metrics(self, results):
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def write_truth(path, ids=(7, 3, 5)):
    """Two images, with objects of the first two of three classes."""
    objects = [(1, ids[0], [5, 5, 20, 10]), (1, ids[1], [30, 20, 40, 30]), (2, ids[0], [10, 10, 30, 30])]
    path.write_text(
        json.dumps(
            dict(
                images=[dict(id=i, height=SIZE[0], width=SIZE[1], file_name=f'{i}.png') for i in (1, 2)],
                categories=[dict(id=i, name=name) for i, name in zip(ids, CLASSES)],
                annotations=[
                    dict(
                        id=i,
                        image_id=image,
                        category_id=category,
                        bbox=[x, y, w, h],
                        area=w * h,
                        iscrowd=0,
                        segmentation=[[x, y, x + w, y, x + w, y + h, x, y + h]],
                    )
                    for i, (image, category, (x, y, w, h)) in enumerate(objects, start=1)
                ],
            )
        )
    )
    return path


def samples():
    """Predictions a little beside the objects, as mmdet's models return them."""
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    found = []
    for image, labels, boxes in (
        (1, [0, 1, 2], [[6, 5, 25, 16], [30, 22, 70, 50], [0, 0, 9, 9]]),
        (2, [0, 0], [[10, 12, 40, 40], [50, 5, 79, 59]]),
    ):
        boxes = torch.tensor(boxes, dtype=torch.float)
        masks = torch.zeros(len(boxes), *SIZE, dtype=torch.bool)
        for mask, (x1, y1, x2, y2) in zip(masks, boxes.int().tolist()):
            mask[y1:y2, x1:x2] = True
        sample = DetDataSample(metainfo=dict(img_id=image, ori_shape=SIZE, img_path=f'{image}.png'))
        sample.pred_instances = InstanceData(
            bboxes=boxes, labels=torch.tensor(labels), masks=masks, scores=torch.linspace(0.9, 0.55, len(boxes))
        )
        found.append(sample)
    return found


def runner(evaluator, dataset=None, **model):
    dataset = dataset or SimpleNamespace(cat_ids=[7, 3, 5])
    evaluator.dataset_meta = dict(classes=CLASSES)
    detector = dict(roi_head=None) if model else {}
    return SimpleNamespace(
        test_evaluator=evaluator,
        test_dataloader=SimpleNamespace(dataset=dataset),
        model=SimpleNamespace(**model, **detector),
    )


def run(outputs, evaluator, predictions, **model):
    """What a runner does in a test."""
    outputs.attach(runner(evaluator, **model))
    for sample in predictions:
        evaluator.process([sample], None)
    outputs.write(evaluator.evaluate(len(predictions)))


def test_metrics_of_every_shape_are_written_in_full(tmp_path, capsys):
    third = 1 / 3
    found = {
        'list': [third, float('nan')],
        'matrix': torch.eye(2, dtype=torch.long),
        'array': np.array([[third, np.inf]]),
        'number': np.float32(0.5),
        'whole': np.int64(3),
        'tensor': torch.tensor(third, dtype=torch.float64),
        'by class': {'ant': third, 5: float('nan'), ('a', 1): np.bool_(True)},
        'text': 'words',
        'none': None,
        'exact': third,
        'set': {1},
        'half': torch.tensor([0.5], dtype=torch.bfloat16),
        'other': 1 + 2j,
    }
    run(Outputs([tmp_path / 'new' / 'm.json']), Evaluator([Given(found)]), [{}])
    content = json.loads((tmp_path / 'new' / 'm.json').read_text(), parse_constant=pytest.fail)
    assert {name.removeprefix('given/'): value for name, value in content.items()} == {
        'list': [third, None],
        'matrix': [[1, 0], [0, 1]],
        'array': [[third, None]],
        'number': 0.5,
        'whole': 3,
        'tensor': third,
        'by class': {'ant': third, '5': None, "('a', 1)": True},
        'text': 'words',
        'none': None,
        'exact': third,
        'set': [1],
        'half': [0.5],
        'other': '(1+2j)',
    }
    assert f'metrics written to {tmp_path / "new" / "m.json"}\n' in capsys.readouterr().out


@pytest.mark.parametrize('parallel', [False, True])
def test_cocos_figures_are_complete_and_not_rounded(tmp_path, parallel):
    pytest.importorskip('mmdet')
    from mmdet.evaluation import CocoMetric

    path = tmp_path / 'm.json'
    metric = CocoMetric(
        ann_file=str(write_truth(tmp_path / 'truth.json', (3, 5, 7))),
        metric=['bbox', 'segm'],
        classwise=True,
        proposal_nums=(1, 10, 100),
        use_mp_eval=parallel,
    )
    outputs, evaluator = Outputs([path]), Evaluator([metric])
    outputs.attach(runner(evaluator, with_mask=True))
    for sample in samples():
        evaluator.process([sample], None)
    logged = evaluator.evaluate(2)
    outputs.write(logged)
    found = json.loads(path.read_text())
    assert {name: pytest.approx(found[name], abs=6e-4, nan_ok=True) for name in logged if found[name] is not None} == {
        name: value for name, value in logged.items() if found[name] is not None
    }
    assert found['coco/bbox_mAP'] != round(found['coco/bbox_mAP'], 3)
    assert found['coco/cow_precision'] is None and np.isnan(logged['coco/cow_precision'])
    assert 0 < found['coco/segm_AR@1'] <= found['coco/segm_AR@100'] and found['coco/bbox_AR_l@100'] == -1
    assert 'coco/bbox_AR@1000' not in found
    by_class = found['coco/bbox_classwise']
    assert by_class['cow']['mAP'] is None and by_class['ant']['mAP_50'] > 0
    assert np.mean([by_class[name]['mAP'] for name in ('ant', 'bee')]) == pytest.approx(found['coco/bbox_mAP'])
    assert found['coco/ant_precision'] == found['coco/segm_classwise']['ant']['mAP']  # mmdet has one name for both


def test_classes_have_their_own_figures_where_mmdet_mixes_them_up(tmp_path, capsys):
    """Its CocoMetric takes pycocotools' figures, which are in order of the ids, to be in the order of the file."""
    pytest.importorskip('mmdet')
    from mmdet.evaluation import CocoMetric

    metric = CocoMetric(ann_file=str(write_truth(tmp_path / 'truth.json', (7, 3, 5))), classwise=True)
    run(Outputs([tmp_path / 'm.json']), Evaluator([metric]), samples(), with_mask=True)
    found = json.loads((tmp_path / 'm.json').read_text())
    assert found['coco/cow_precision'] is None and found['coco/bee_precision'] > 0
    assert 'not in the order of their ids' in capsys.readouterr().out


def test_predictions_can_be_evaluated_again(tmp_path):
    """The pickle by mmengine's evaluator, as mmdet's analysis_tools/eval_metric.py does, the lists by COCOeval."""
    pytest.importorskip('mmdet')
    from mmdet.evaluation import CocoMetric

    truth = str(write_truth(tmp_path / 'truth.json'))
    paths = [tmp_path / f'p{suffix}' for suffix in ('.json', '.pkl', '.bbox.json', '.segm.json')]
    run(Outputs(paths), Evaluator([CocoMetric(truth, metric=['bbox', 'segm'])]), samples(), with_mask=True)
    metrics, pickled, *lists = paths
    metrics = json.loads(metrics.read_text())

    again = Evaluator([CocoMetric(truth, metric=['bbox', 'segm'])])
    again.dataset_meta = dict(classes=CLASSES)
    content = pickle.loads(pickled.read_bytes())
    assert [one['img_path'] for one in content] == ['1.png', '2.png']
    assert again.offline_evaluate(content) == {
        name: round(value, 3) for name, value in metrics.items() if '_mAP' in name
    }

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    annotations = COCO(truth)
    for kind, file in zip(('bbox', 'segm'), lists):
        evaluation = COCOeval(annotations, annotations.loadRes(json.loads(file.read_text())), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        assert evaluation.stats[0] == metrics[f'coco/{kind}_mAP'] > 0
    assert [one['category_id'] for one in json.loads(lists[0].read_text())] == [7, 3, 5, 7, 7]


def test_an_error_in_the_metrics_leaves_the_predictions(tmp_path):
    pytest.importorskip('mmdet')
    paths = [tmp_path / 'p.pkl', tmp_path / 'p.bbox.json']
    with pytest.raises(IndexError):
        run(Outputs(paths), Evaluator([Given(IndexError())]), samples(), with_mask=True)
    assert all(path.stat().st_size for path in paths)


def test_a_file_that_cannot_be_written_leaves_the_metrics_on_the_screen(tmp_path, capsys):
    outputs = Outputs([tmp_path / 'new' / 'm.json'])
    (tmp_path / 'new').write_text('a file by now')
    with pytest.raises(UserError, match='cannot be written to'):
        run(outputs, Evaluator([Given({'x': np.array([1.5, np.nan])})]), [{}])
    assert json.loads(capsys.readouterr().out) == {'given/x': [1.5, None]}


def test_predictions_of_a_classifier(tmp_path):
    from mmengine.structures import BaseDataElement

    sample = BaseDataElement(pred_score=torch.tensor([0.2, 0.8]), gt_label=torch.tensor([1]))
    run(Outputs([tmp_path / 'p.pkl']), Evaluator([Given({})]), [sample])
    [content] = pickle.loads((tmp_path / 'p.pkl').read_bytes())
    assert content['pred_score'].tolist() == pytest.approx([0.2, 0.8]) and content['gt_label'].tolist() == [1]


def test_nothing_detected_is_said(tmp_path, capsys):
    run(Outputs([tmp_path / 'm.json']), Evaluator([Given({})]), [{}])
    assert 'which are none' in capsys.readouterr().out and json.loads((tmp_path / 'm.json').read_text()) == {}


@pytest.mark.parametrize(
    'names, message',
    [
        (['m.txt'], 'as NAME.json'),
        (['a.bbox.json', 'b.bbox.json'], "two files with 'bbox'"),
        (['a.pkl/b.json'], 'is a file, no folder'),
        (['folder.json'], 'which is a folder'),
    ],
)
def test_names_of_files_are_checked(tmp_path, names, message):
    (tmp_path / 'a.pkl').write_text('')
    (tmp_path / 'folder.json').mkdir()
    with pytest.raises(UserError, match=message):
        Outputs([tmp_path / name for name in names])


@pytest.mark.parametrize(
    'name, dataset, model, message',
    [
        ('a.segm.json', None, dict(with_mask=False), 'predicts no masks'),
        ('a.bbox.json', SimpleNamespace(), dict(), 'of detectors on a data set'),
        (
            'a.bbox.json',
            SimpleNamespace(datasets=[SimpleNamespace(cat_ids=[1]), SimpleNamespace(cat_ids=[2])]),
            dict(),
            'differently',
        ),
    ],
)
def test_what_a_model_or_its_data_lack_is_said_before_the_test(tmp_path, name, dataset, model, message):
    with pytest.raises(UserError, match=message):
        Outputs([tmp_path / name]).attach(runner(Evaluator([Given({})]), dataset, **model))


def test_parts_of_a_data_set_share_their_categories(tmp_path):
    part = SimpleNamespace(dataset=SimpleNamespace(cat_ids=[7, 3, 5]))
    outputs = Outputs([tmp_path / 'a.bbox.json'])
    evaluator = Evaluator([Given({})])
    outputs.attach(runner(evaluator, SimpleNamespace(datasets=[part, part]), with_mask=False))
    assert evaluator.metrics[0].categories == [7, 3, 5]
