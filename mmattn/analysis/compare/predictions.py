"""Predictions of a training's last checkpoint on its validation images, kept in its work folder; and their latency."""
from __future__ import annotations

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
from mmengine.config import Config
from mmengine.registry import METRICS, init_default_scope
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader, Dataset

from mmattn.engine import launch, preflight
from mmattn.engine.progress import progress
from mmattn.engine.quiet import silent
from mmattn.engine.trained import load_trained
from mmattn.errors import UserError
from mmattn.files import atomic_path

LATENCY_IMAGES, WARM_UP = 8, 2


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
    annotations = _coco_metric(cfg).get('ann_file')
    if annotations and Path(annotations).is_file():
        digest.update(Path(annotations).read_bytes())
    return checkpoint.parent / f'predictions.{digest.hexdigest()[:12]}.json'


def load_predictions(path: Path) -> dict | None:
    """The predictions that were kept in a file, or None if there are none or they are damaged.

    Args:
        path: Path of the file, as of :func:`cache_path`.
    """
    try:
        content = json.loads(path.read_text('utf-8'))
        return content if content.get('kind') in ('detector', 'classifier') else None
    except (FileNotFoundError, ValueError, AttributeError):
        return None


def predict(cfg: Config, checkpoint: Path, device: str) -> dict:
    """Predicts on all validation images, with a progress bar, and keeps the predictions beside the checkpoint.

    Args:
        cfg: Config of the training.
        checkpoint: Path of the checkpoint.
        device: Device to predict on: 'cpu', 'cuda', 'cuda:1', …

    Returns:
        For a detector: kind 'detector'; annotations, path of the COCO file; images and categories, ids; results,
        COCO's result lists for 'bbox' and 'segm'; max_detections. For a classifier: kind 'classifier'; labels, the
        true class of each image; ranks, how many other classes it rated at least as high; classes, their number.

    Raises:
        UserError: Data or library are missing, the checkpoint is damaged, or the task is another.
    """
    path = cache_path(cfg, checkpoint)
    loader = validation_images(cfg)
    model = load_trained(cfg, checkpoint, device, prepared=True).model
    batches = _run(model, loader)
    metric = _coco_metric(cfg)
    found = _detections(batches, loader.dataset, metric) if metric else _answers(batches)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(found), encoding='utf-8')
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
    init_default_scope(cfg.get('default_scope', 'mmengine'))
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


def _coco_metric(cfg: Config) -> dict:
    evaluators = cfg.get('val_evaluator') or []
    for evaluator in evaluators if isinstance(evaluators, (list, tuple)) else [evaluators]:
        if str(evaluator.get('type')).endswith('CocoMetric'):
            return evaluator
    return {}


def _detections(batches: Iterable, dataset: Dataset, settings: dict) -> dict:
    kinds = settings.get('metric', 'bbox')
    kinds = [kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind in ('bbox', 'segm')]
    if not settings.get('ann_file'):
        raise UserError('the CocoMetric of val_evaluator has no ann_file, which curves and intervals need')
    with tempfile.TemporaryDirectory() as folder:
        options = {key: settings[key] for key in ('ann_file', 'backend_args') if key in settings}
        with silent():
            metric = METRICS.build(dict(type='mmdet.CocoMetric', **options, metric=kinds, format_only=True,
                                        outfile_prefix=f'{folder}/found'))
        metric.dataset_meta = dataset.metainfo
        for batch, samples in batches:
            metric.process(batch, [sample.to_dict() for sample in samples])
        images = [result['img_id'] for _, result in metric.results]
        with silent():
            metric.evaluate(len(dataset))
        results = {kind: json.loads(Path(f'{folder}/found.{kind}.json').read_text('utf-8')) for kind in kinds}
    for result in results.get('segm', ()):
        result.pop('bbox', None)  # with it pycocotools takes the size of an object from its box, and mmdet does not
    return dict(kind='detector', annotations=settings['ann_file'], images=images, categories=list(metric.cat_ids),
                results=results, max_detections=list(settings.get('proposal_nums', (100, 300, 1000))))


def _answers(batches: Iterable) -> dict:
    labels, ranks, classes = [], [], 0
    for _, samples in batches:
        for sample in samples:
            scores, truth = sample.get('pred_score'), sample.get('gt_label')
            if scores is None or truth is None or truth.numel() != 1:
                raise UserError('predictions are compared for detectors with a CocoMetric and for classifiers with '
                                'one class an image; this run is neither')
            label, classes = int(truth), scores.numel()
            labels.append(label)
            # Equal scores and NaN count against it.
            ranks.append(classes - 1 - int((scores < scores[label]).sum()))
    return dict(kind='classifier', labels=labels, ranks=ranks, classes=classes)


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
