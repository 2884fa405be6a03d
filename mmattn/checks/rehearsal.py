"""Rehearsal of an evaluation: a few images through the model and its metrics, before the work that they will judge."""

from __future__ import annotations

import copy
import tempfile
import time
from pathlib import Path

import torch
from mmengine.evaluator import BaseMetric
from mmengine.runner import Runner, TestLoop, ValLoop
from mmengine.runner.amp import autocast
from mmengine.structures import BaseDataElement

from mmattn.engine.failures import SHOWN, cause
from mmattn.errors import UserError

from .made_up import with_an_object
from .samples import batch_of, spread
from .unchanged import unchanged
from .watched import check_watched

# Batches that are predicted, the time after which no further one is begun, and the most images of a batch.
BATCHES, SECONDS, IMAGES = 2, 2.0, 2
OFF = 'rehearsal=False in the config leaves this trial out'


def rehearse(runner: Runner, split: str) -> list[BaseDataElement]:
    """Predicts a few images of a split and computes its metrics of them; the runner stays as it was.

    Nothing is done where the config has ``rehearsal=False``, or a loop of another kind than mmengine's.

    Args:
        runner: Runner with its loops built.
        split: 'val' or 'test'.

    Returns:
        The predictions: data samples as the model returns them.

    Raises:
        UserError: An image cannot be read, the model cannot predict, a metric cannot take its predictions, or the
            training watches a metric that there is not.
    """
    loop = getattr(runner, f'_{split}_loop')
    if not runner.cfg.get('rehearsal', True) or type(loop) not in (ValLoop, TestLoop):
        return []
    key = f'{split}_evaluator'
    with unchanged(), tempfile.TemporaryDirectory() as folder:
        metrics = [_copied(metric, Path(folder)) for metric in loop.evaluator.metrics]
        try:
            predictions = _predicted(runner, loop, split, metrics)
        except UserError:
            raise
        except Exception as error:  # noqa: BLE001  anything may be raised by anybody's pipeline, model or metric
            raise UserError(
                f'{split}_dataloader.dataset, the model and {key} do not fit each other: {cause(error)}; '
                f'correct the config ({SHOWN}; {OFF})'
            ) from error
        ids = [sample.img_id for sample in predictions if 'img_id' in sample]
        values: dict[str, object] = {}
        for index, metric in enumerate(metrics):
            several = isinstance(runner.cfg.get(key), (list, tuple))
            values |= _computed(metric, ids, f'{key}.{index}' if several else key)
    if split == 'val':
        check_watched(runner, values)
    return predictions


def _predicted(runner: Runner, loop: ValLoop, split: str, metrics: list[BaseMetric]) -> list[BaseDataElement]:
    model, was_training = runner.model, runner.model.training
    predict = getattr(model, f'{split}_step')
    size = min(loop.dataloader.batch_size or 1, IMAGES)
    indices = spread(len(loop.dataloader.dataset), BATCHES * size)
    evaluator = copy.copy(loop.evaluator)
    evaluator.metrics = metrics
    predictions, start = [], time.monotonic()
    model.eval()
    try:
        for first in range(0, len(indices), size):
            if first and time.monotonic() - start > SECONDS:
                break
            batch = batch_of(loop.dataloader, indices[first : first + size])
            with torch.no_grad(), autocast(enabled=loop.fp16):
                outputs = predict(batch)
            if isinstance(outputs[-1], BaseDataElement) and outputs[-1].keys() == ['loss']:
                outputs = outputs[:-1]
            predictions += outputs
            samples = [with_an_object(each) for each in outputs]
            evaluator.process(data_samples=samples, data_batch=batch)
    finally:
        model.train(was_training)
    return predictions


def _copied(metric: BaseMetric, folder: Path) -> BaseMetric:
    """A copy with results of its own, which writes what it writes into a folder; annotations are shared, not copied."""
    copied = copy.copy(metric)
    copied.results = []
    for name in ('outfile_prefix', 'out_file_path', 'out_dir', 'output_dir'):
        path = getattr(copied, name, None)
        if isinstance(path, str):
            setattr(copied, name, str(folder / Path(path).name))
    return copied


def _computed(metric: BaseMetric, ids: list, key: str) -> dict[str, object]:
    """The metric's values by name, of the images that were predicted; none where it needs a whole data set for them."""
    coco = getattr(metric, '_coco_api', None)
    if type(metric).evaluate is not BaseMetric.evaluate or _reads_all(metric):
        return {}
    if coco is not None:
        metric.img_ids = [identifier for identifier in dict.fromkeys(ids) if identifier in coco.imgs]
    try:
        values = metric.compute_metrics(_to_cpu(metric.results))
    except Exception as error:  # noqa: BLE001
        raise UserError(
            f'{key} cannot be computed ({cause(error)}), as a rehearsal with a few images shows; correct '
            f'it ({SHOWN}; {OFF})'
        ) from error
    return {f'{metric.prefix}/{name}' if metric.prefix else name: value for name, value in values.items()}


def _reads_all(metric: BaseMetric) -> bool:
    """Whether a metric compares with all images of annotations of its own; mmdet's CocoMetric takes their ids."""
    names = [each.__name__ for each in type(metric).__mro__]
    own = any(getattr(metric, name, None) is not None for name in ('_coco_api', '_lvis_api', 'ann_file', 'seg_prefix'))
    return own and names[0] != 'CocoMetric'


def _to_cpu(value: object) -> object:
    if isinstance(value, (torch.Tensor, BaseDataElement)):
        return value.to('cpu')
    if isinstance(value, (list, tuple)):
        return type(value)(map(_to_cpu, value))
    return {name: _to_cpu(each) for name, each in value.items()} if isinstance(value, dict) else value
