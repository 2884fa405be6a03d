"""Predictions of a training's last checkpoint on its validation images, kept in its work folder; and their latency."""
from __future__ import annotations

import copy
import hashlib
import itertools
import json
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine import fileio
from mmengine.config import Config
from mmengine.registry import METRICS, init_default_scope
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from mmattn.engine import launch, preflight
from mmattn.engine.progress import progress
from mmattn.engine.quiet import silent
from mmattn.engine.scope import scope_of
from mmattn.engine.trained import load_trained
from mmattn.engine.types import type_name
from mmattn.errors import UserError
from mmattn.files import write_text

LATENCY_IMAGES, WARM_UP = 8, 2
# Of what is kept in a work folder; what another version kept is predicted anew.
FORMAT = 2


@dataclass(frozen=True)
class Latency:
    """Time of a network for single images, from the loaded image to the result.

    Args:
        median: Median time in seconds.
        low: First decile of the times in seconds.
        high: Ninth decile of the times in seconds.
        forwards: Number of images that were timed.
        machine: Device that was measured on, with its number of threads and the version of torch.
    """

    median: float
    low: float
    high: float
    forwards: int
    machine: str


def cache_path(cfg: Config, checkpoint: Path) -> Path:
    """Where the predictions of a checkpoint are kept, by a hash of all that they depend on but the images.

    Args:
        cfg: Config of the training.
        checkpoint: Path of the checkpoint.
    """
    digest = hashlib.sha256()
    with checkpoint.open('rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    settings = [cfg.get(key) for key in ('model', 'data_preprocessor', 'val_dataloader', 'val_evaluator')]
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    for file in sorted({str(settings.get('ann_file')) for settings in _coco_settings(cfg).values()}):
        if Path(file).is_file():
            digest.update(Path(file).read_bytes())
    return checkpoint.parent / f'predictions.{digest.hexdigest()[:12]}.json'


def load_predictions(path: Path) -> dict | None:
    """The predictions that were kept in a file, or None if there are none or they are damaged.

    Args:
        path: Path of the file, as of :func:`cache_path`.
    """
    try:
        content = json.loads(path.read_text('utf-8'))
        return content if content.get('format') == FORMAT else None
    except (OSError, ValueError, AttributeError, RecursionError):
        return None


def predict(cfg: Config, checkpoint: Path, device: str, prepared: bool = True) -> dict:
    """Predicts on all validation images, with a progress bar, and keeps the predictions beside the checkpoint.

    Args:
        cfg: Config of the training.
        checkpoint: Path of the checkpoint.
        device: Device to predict on: 'cpu', 'cuda', 'cuda:1', …
        prepared: Whether a model on a CPU is prepared for inference, which is equal up to rounding, and faster.

    Returns:
        For a detector: kind 'detector'; annotations, path of the COCO file or its content; images and categories, ids;
        results, COCO's result lists for 'bbox' and 'segm'; settings, for these the arguments of
        :class:`mmattn.analysis.compare.metrics.CocoEvaluation` by which the log was evaluated. For a classifier: kind
        'classifier'; labels, the true class of each image; ranks, the place of it among the scores, from 0 on, as the
        log's accuracy has it; classes, their number.

    Raises:
        UserError: Data or library are missing, the checkpoint is damaged, or the task is another.
    """
    path = cache_path(cfg, checkpoint)
    cfg = copy.deepcopy(cfg)  # which registering its library completes
    loader = validation_images(cfg)
    model = load_trained(cfg, checkpoint, device, prepared=prepared).model
    batches = _run(model, loader)
    settings = _coco_settings(cfg)
    found = _detections(batches, loader.dataset, settings) if settings else _answers(batches, _accuracy(cfg))
    found['format'] = FORMAT
    write_text(json.dumps(found), path)
    return found


def measure_latency(cfg: Config, checkpoint: Path, device: str, seconds: float) -> Latency:
    """Times the network on validation images, one by one, at least once each of :data:`LATENCY_IMAGES`.

    From the loaded image to the result: normalisation, network, and what follows it (NMS, pasting of masks). Networks
    run as they were trained, not prepared for inference, which would favour those of this package.

    Args:
        cfg: Config of the training.
        checkpoint: Path of the checkpoint.
        device: Device to measure on: 'cpu', 'cuda', 'cuda:1', …
        seconds: How long to measure, in seconds.

    Raises:
        UserError: Data or checkpoint are missing or damaged.
    """
    batches = list(itertools.islice(validation_images(cfg, one_by_one=True), LATENCY_IMAGES))
    model = load_trained(cfg, checkpoint, device).model
    for batch in batches[:WARM_UP]:
        _seconds(model, batch, device)
    times, start = [], time.perf_counter()
    for batch in itertools.cycle(batches):
        times.append(_seconds(model, batch, device))
        if len(times) >= len(batches) and time.perf_counter() - start >= seconds:
            break
    low, median, high = np.percentile(times, [10, 50, 90])
    return Latency(float(median), float(low), float(high), len(times), _machine(device))


def validation_images(cfg: Config, one_by_one: bool = False) -> DataLoader:
    """The config's own loader of its validation images.

    Args:
        cfg: Config of the training.
        one_by_one: Whether to load batches of one image, in this process, rather than as the config says.

    Raises:
        UserError: The data are missing.
    """
    preflight.check_data(cfg, ('val',))
    launch.register_modules(cfg)
    init_default_scope(scope_of(cfg))
    if cfg.get('val_dataloader') is None:
        raise UserError('the config has no val_dataloader, so there are no validation images')
    loader = dict(cfg.val_dataloader)
    if one_by_one:
        loader.update(batch_size=1, num_workers=0, persistent_workers=False)
        loader.pop('batch_sampler', None)
    with silent():
        return Runner.build_dataloader(loader, seed=0)


def _run(model: nn.Module, loader: DataLoader) -> Iterable[tuple[object, list]]:
    for batch in progress(loader, 'predicting'):
        with torch.no_grad():
            yield batch, model.val_step(batch)


def _evaluators(cfg: Config) -> list[dict]:
    found = cfg.get('val_evaluator') or []
    return [one for one in (found if isinstance(found, (list, tuple)) else [found]) if isinstance(one, dict)]


def _coco_settings(cfg: Config) -> dict[str, dict]:
    """The CocoMetric that evaluates 'bbox' and the one that evaluates 'segm', by this name; the last if several do."""
    found = {}
    for evaluator in _evaluators(cfg):
        if type_name(evaluator) == 'CocoMetric':
            kinds = evaluator.get('metric', 'bbox')
            found.update({kind: evaluator for kind in ([kinds] if isinstance(kinds, str) else kinds)
                          if kind in ('bbox', 'segm')})
    return found


def _accuracy(cfg: Config) -> dict:
    return next((one for one in _evaluators(cfg) if type_name(one) == 'Accuracy'), {})


def _detections(batches: Iterable, dataset: Dataset, settings: dict[str, dict]) -> dict:
    first, *others = settings.values()
    if any(other.get('ann_file') != first.get('ann_file') for other in others):
        raise UserError('the CocoMetrics of val_evaluator have different ann_file, so that boxes and masks cannot be '
                        'compared together')
    kinds = list(settings)
    with tempfile.TemporaryDirectory() as folder:
        options = {key: first[key] for key in ('ann_file', 'backend_args', 'sort_categories') if key in first}
        with silent():
            metric = METRICS.build(dict(type='mmdet.CocoMetric', **options, metric=kinds, format_only=True,
                                        outfile_prefix=f'{folder}/found'))
        metric.dataset_meta = dataset.metainfo
        for batch, samples in batches:
            metric.process(batch, [sample.to_dict() for sample in samples])
        with silent():
            metric.evaluate(len(dataset))
        results = {kind: _read_results(Path(f'{folder}/found.{kind}.json')) for kind in kinds}
        annotations = first.get('ann_file')
        if annotations is None:
            annotations = json.loads(Path(f'{folder}/found.gt.json').read_text('utf-8'))
        elif not Path(annotations).is_file():
            annotations = fileio.load(annotations, 'json', backend_args=first.get('backend_args'))
    # All images of the file, as in the log: those without a prediction count as well.
    return dict(kind='detector', annotations=annotations, images=list(metric.img_ids), categories=list(metric.cat_ids),
                results=results, settings={kind: _arguments(one) for kind, one in settings.items()})


def _read_results(path: Path) -> list[dict]:
    if not path.is_file():
        raise UserError(f"val_evaluator asks for metric='{path.suffixes[-2][1:]}', of which the model predicts nothing")
    results = json.loads(path.read_text('utf-8'))
    if path.name.endswith('.segm.json'):
        for result in results:
            result.pop('bbox', None)  # with it pycocotools takes the size of an object from its box, and mmdet does not
    return results


def _arguments(settings: dict) -> dict:
    """Arguments of CocoEvaluation that are what a CocoMetric evaluates by."""
    ious = settings.get('iou_thrs')
    return dict(max_detections=list(settings.get('proposal_nums', (100, 300, 1000))),
                ious=None if ious is None else list(ious), parallel=bool(settings.get('use_mp_eval')))


def _answers(batches: Iterable, settings: dict) -> dict:
    labels, ranks, classes = [], [], 0
    for _, samples in batches:
        for sample in samples:
            scores, truth = sample.get('pred_score'), sample.get('gt_label')
            if scores is None or truth is None or truth.numel() != 1:
                raise UserError('predictions are compared for detectors with a CocoMetric and for classifiers with '
                                'one class an image; this run is neither')
            label, classes = int(truth), scores.numel()
            labels.append(label)
            ranks.append(_rank(scores, label, settings))
    return dict(kind='classifier', labels=labels, ranks=ranks, classes=classes)


def _rank(scores: Tensor, label: int, settings: dict) -> int:
    """The place of a class among the scores, from 0 on; the number of classes if no accuracy counts it as found.

    Of equal scores, and of NaN, those come first that mmpretrain's Accuracy takes first; what is not above its
    threshold counts as wrong.
    """
    limits, thresholds = settings.get('topk', (1, )), settings.get('thrs', 0.0)
    threshold = thresholds[0] if isinstance(thresholds, (list, tuple)) else thresholds
    if threshold is not None and not scores[label] > threshold:
        return scores.numel()
    most = min(scores.numel(), limits if isinstance(limits, int) else max(limits))
    best = scores.topk(most).indices.tolist()
    if label in best:
        return best.index(label)
    return max(most, scores.numel() - 1 - int((scores < scores[label]).sum()))


def _seconds(model: nn.Module, batch: object, device: str) -> float:
    with torch.no_grad():
        start = time.perf_counter()
        model.test_step(batch)
        if device.startswith('cuda'):
            torch.cuda.synchronize(device)
        return time.perf_counter() - start


def _machine(device: str) -> str:
    from mmattn.analysis.benchmark.machine import describe_machine  # its package draws, and matplotlib is an extra
    found, threads = describe_machine(device), torch.get_num_threads()
    name = found['gpu'] or f'{found["cpu"]}, {threads} thread{"s" * (threads > 1)}'
    return f'{name}, torch {torch.__version__}'
