"""Predictions of a training's last checkpoint on its validation images, kept in its work folder."""
from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import METRICS
from mmengine.utils import track_iter_progress

from mmattn.engine.trained import load_trained
from mmattn.errors import UserError
from mmattn.files import atomic_path

from .model import silent, validation_images


def cache_path(cfg: Config, checkpoint: Path) -> Path:
    """Where the predictions of this checkpoint are kept, by a hash of all that they depend on but the images."""
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
    """The predictions kept in `path`, or None if there are none or they are damaged."""
    try:
        content = json.loads(path.read_text('utf-8'))
        return content if content.get('kind') in ('detector', 'classifier') else None
    except (FileNotFoundError, ValueError, AttributeError):
        return None


def predict(cfg: Config, checkpoint: Path, device: str) -> dict:
    """Predicts on all validation images, with a progress bar, and keeps what comes out beside the checkpoint.

    Returns:
        For a detector: kind 'detector'; annotations, path of the COCO file; images and categories, ids; results,
        COCO's result lists for 'bbox' and 'segm'; max_detections. For a classifier: kind 'classifier'; labels, the
        true class of each image; ranks, how many other classes it rated at least as high; classes, their number.

    Raises:
        UserError: if data or library are missing, the checkpoint is damaged, or the task is another.
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


def _run(model: torch.nn.Module, loader: torch.utils.data.DataLoader) -> Iterable[tuple[object, list]]:
    for batch in track_iter_progress((iter(loader), len(loader)), file=sys.stderr):
        with torch.no_grad():
            yield batch, model.val_step(batch)
    print(file=sys.stderr)


def _coco_metric(cfg: Config) -> dict:
    evaluators = cfg.get('val_evaluator') or []
    for evaluator in evaluators if isinstance(evaluators, (list, tuple)) else [evaluators]:
        if str(evaluator.get('type')).endswith('CocoMetric'):
            return evaluator
    return {}


def _detections(batches: Iterable, dataset: torch.utils.data.Dataset, settings: dict) -> dict:
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
