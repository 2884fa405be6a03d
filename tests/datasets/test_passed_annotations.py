"""What the check lets pass, mmdet reads and evaluates: every damaged file of the tables, with mmdet itself."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from coco_damage import ANYTHING, BOXES, CHANGES, CROWDS, FIELDS, MASKS, damaged
from coco_data import settings, sound, write

from mmattn.data.check import check_of

pytest.importorskip('mmdet')
pytestmark = pytest.mark.filterwarnings('ignore')  # of mmdet and torch, of no interest here


def contents() -> Iterator[tuple[str, dict]]:
    for key, field in FIELDS:
        for name, value in ANYTHING.items():
            yield f'{key}.{field} {name}', damaged(key, field, value)
    for table, field in ((BOXES, 'bbox'), (CROWDS, 'iscrowd'), (MASKS, 'segmentation')):
        for index, (value, *_) in enumerate(table):
            yield f'{field} {index}', damaged('annotations', field, value)
    for index, (change, *_) in enumerate(CHANGES):
        content = sound()
        change(content)
        yield f'change {index}', content


@pytest.fixture(scope='module')
def registered():
    from mmdet.utils import register_all_modules
    from mmengine.logging import MMLogger
    from mmengine.registry import DefaultScope

    register_all_modules()
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('ERROR')
    yield
    logger.setLevel(level)
    DefaultScope._instance_dict.clear()


def read(dataset: dict, folder: Path) -> list[dict]:
    """The items of a dataset with the transforms that look at boxes and masks."""
    from mmdet.registry import DATASETS

    pipeline = [
        *dataset['pipeline'],
        dict(type='Resize', scale=(64, 48)),
        dict(type='RandomFlip', prob=1.0),
        dict(type='PackDetInputs'),
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        built = DATASETS.build(
            {
                **dataset,
                'pipeline': pipeline,
                'filter_cfg': dict(filter_empty_gt=True, min_size=1),
                'serialize_data': False,
            }
        )  # which collects garbage, a second each time
    return [built[index] for index in range(len(built))]


def evaluate(items: list[dict], path: Path, metrics: list[str]) -> None:
    """What CocoMetric makes of one detection of each class in each image."""
    import torch
    from mmdet.evaluation import CocoMetric

    mask = torch.zeros(2, 30, 40, dtype=torch.bool)
    mask[:, 2:20, 2:20] = True
    found = dict(
        bboxes=torch.tensor([[2.0, 2, 22, 22]] * 2),
        scores=torch.tensor([0.9, 0.8]),
        labels=torch.tensor([0, 1]),
        masks=mask,
    )
    with contextlib.redirect_stdout(io.StringIO()):
        metric = CocoMetric(ann_file=str(path), metric=metrics)
        metric.dataset_meta = dict(classes=('cat', 'dog'))
        for item in items:
            sample = item['data_samples']
            metric.process({}, [dict(img_id=sample.img_id, ori_shape=sample.ori_shape, pred_instances=dict(found))])
        metric.evaluate(len(items))


@pytest.mark.slow
@pytest.mark.parametrize('masks', [True, False])
def test_what_passes_is_read_and_evaluated(tmp_path, registered, masks):
    passed = []
    for number, (name, content) in enumerate([('sound', sound()), *contents()]):
        folder = tmp_path / str(number)
        path = write(folder, content)
        trained, tested = (settings(folder, masks=masks, test_mode=test_mode) for test_mode in (False, True))
        try:
            report = check_of(trained).run(workers=1)
            if report.objects and not report.problems.kinds():
                read(trained, folder)
                passed.append(name)
            if not check_of(tested).run(workers=1).problems.kinds():
                evaluate(read(tested, folder), path, ['bbox', 'segm'] if masks else ['bbox'])
                passed.append(name)
        except Exception as error:
            raise AssertionError(f'{name} passes the check, and then: {error!r}') from error
    assert 'sound' in passed and len(passed) > 50
