"""Predictions of a checkpoint on the images of a config's validation or test part, kept beside the checkpoint."""

from __future__ import annotations

import copy
import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from mmengine import fileio
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.model import BaseModel
from mmengine.registry import METRICS, init_default_scope
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import DataLoader

from mmattn.engine import launch, preflight
from mmattn.engine.kinds import kind_of
from mmattn.engine.paths import expanded, joined
from mmattn.engine.progress import progress
from mmattn.engine.quiet import silent
from mmattn.engine.scope import scope_of
from mmattn.engine.trained import load_trained
from mmattn.engine.types import type_name
from mmattn.errors import UserError
from mmattn.files import write_text

from .kept_labels import labels_path
from .segmentor_predictions import compared_labels

# Of what is kept in a work folder; what another version kept is predicted anew.
FORMAT = 3


def cache_path(cfg: Config, checkpoint: Path, split: str = 'val') -> Path:
    """Where the predictions of a checkpoint are kept, by a hash of what they depend on, without the images' pixels.

    Args:
        cfg: Config of the training.
        checkpoint: Path of the checkpoint.
        split: Part of the data that is predicted on, 'val' or 'test'.
    """
    digest = hashlib.sha256()
    with checkpoint.open('rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    settings = [cfg.get(key) for key in ('model', 'data_preprocessor', f'{split}_dataloader', f'{split}_evaluator')]
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    for annotated in annotations_of(cfg, split):
        digest.update(annotated)
    return checkpoint.parent / f'predictions.{digest.hexdigest()[:12]}.json'


def annotations_of(cfg: Config, split: str = 'val') -> Iterator[bytes]:
    """What the images of a part are evaluated by, as far as it is there, without the places of the files.

    Args:
        cfg: Config of the training.
        split: Part of the data, 'val' or 'test'.

    Yields:
        Contents of the COCO files, lists and label pictures, and names of the files in folders.
    """
    for annotated in sorted({str(settings.get('ann_file')) for settings in _coco_settings(cfg, split).values()}):
        if Path(annotated).is_file():
            yield Path(annotated).read_bytes()
    yield from _labels(cfg, split)


def load_predictions(path: Path) -> dict | None:
    """The predictions that were kept in a file, or None if there are none or they are damaged.

    Args:
        path: Path of the file, as of `cache_path`.
    """
    try:
        content = json.loads(path.read_text('utf-8'))
        whole = content.get('format') == FORMAT and (content['kind'] != 'segmentor' or labels_path(path).is_file())
        return content if whole else None
    except (OSError, ValueError, AttributeError, RecursionError):
        return None


def predictions_of(cfg: Config, checkpoint: Path, device: str, split: str = 'val') -> dict:
    """The predictions that were kept, or else new ones; see `predict`.

    Args:
        cfg: Config of the training.
        checkpoint: Path of the checkpoint.
        device: Device to predict on where none were kept.
        split: Part of the data to predict on, 'val' or 'test'.

    Raises:
        UserError: As `predict`.
    """
    found = load_predictions(cache_path(cfg, checkpoint, split))
    return predict(cfg, checkpoint, device, split=split) if found is None else found


def predict(cfg: Config, checkpoint: Path, device: str, prepared: bool = True, split: str = 'val') -> dict:
    """Predicts on all images of a part, with a progress bar, and keeps the predictions beside the checkpoint.

    Args:
        cfg: Config of the training.
        checkpoint: Path of the checkpoint.
        device: Device to predict on: 'cpu', 'cuda', 'cuda:1', …
        prepared: Whether a model on a CPU is prepared for inference, which is equal up to rounding, and faster.
        split: Part of the data to predict on, 'val' or 'test'.

    Returns:
        For a detector: kind 'detector'; annotations, path of the COCO file or its content; images and categories, ids;
        results, COCO's result lists for 'bbox' and 'segm'; settings, for these the arguments of
        `mmattn.analysis.compare.metrics.CocoEvaluation` by which the log was evaluated. For a classifier: kind
        'classifier'; labels, the true class of each image; ranks, the place of it among the scores, from 0 on, as the
        log's accuracy has it; classes, their number; predicted, the class with the highest score of each image, scores,
        this score, and label_scores, that of the true class; indices, the places of the images in the data set;
        names, of the classes, or None. For a segmentor what
        `mmattn.analysis.evaluation.segmentor_predictions.compared_labels` returns.

    Raises:
        UserError: Data or library are missing, the checkpoint is damaged, or the task is another.
    """
    path = cache_path(cfg, checkpoint, split)
    cfg = copy.deepcopy(cfg)  # which registering its library completes
    loader = images_to_predict(cfg, split=split)
    model = load_trained(cfg, checkpoint, device, prepared=prepared).model
    batches = _run(model, loader)
    settings = _coco_settings(cfg, split)
    if kind_of(model) == 'segmentor':
        found = compared_labels(batches, loader.dataset, _iou_settings(cfg, split), labels_path(path))
    elif settings:
        found = _detections(batches, loader.dataset, settings)
    else:
        found = _answers(batches, _accuracy(cfg, split))
        found['names'] = (getattr(loader.dataset, 'metainfo', None) or {}).get('classes')
    found['format'] = FORMAT
    write_text(json.dumps(found), path)
    return found


def images_to_predict(cfg: Config, one_by_one: bool = False, split: str = 'val') -> DataLoader:
    """The config's own loader of its validation or test images.

    Args:
        cfg: Config of the training.
        one_by_one: Whether to load batches of one image, in this process, rather than as the config says.
        split: Part of the data, 'val' or 'test'.

    Raises:
        UserError: The data are missing.
    """
    preflight.check_data(cfg, (split,), loop=False)
    launch.register_modules(cfg)
    init_default_scope(scope_of(cfg))
    if cfg.get(f'{split}_dataloader') is None:
        name = {'val': 'validation', 'test': 'test'}[split]
        raise UserError(f'the config has no {split}_dataloader, so there are no {name} images')
    loader = dict(cfg[f'{split}_dataloader'])
    if one_by_one:
        loader.update(batch_size=1, num_workers=0, persistent_workers=False)
        loader.pop('batch_sampler', None)
    with silent():
        return Runner.build_dataloader(loader, seed=0)


def _labels(cfg: Config, split: str) -> Iterator[bytes]:
    """What labels the images of a classifier or segmentor: lists, names in folders of classes, label pictures."""
    if _coco_settings(cfg, split):
        return
    for _, dataset in preflight.datasets_in((cfg.get(f'{split}_dataloader') or {}).get('dataset'), ''):
        root, annotations, prefix = (dataset.get(key) or '' for key in ('data_root', 'ann_file', 'data_prefix'))
        if isinstance(prefix, dict) and isinstance(prefix.get('seg_map_path'), str):
            yield from _label_files(root, annotations, prefix['seg_map_path'], dataset.get('seg_map_suffix', '.png'))
        prefixes = list(prefix.values()) if isinstance(prefix, dict) else [prefix]
        if not all(isinstance(value, str) for value in (root, annotations, *prefixes)):
            continue
        for place in [annotations] if annotations else prefixes:
            path = expanded(joined(root, place))
            if path.is_file():
                yield path.read_bytes()
            elif path.is_dir() and not annotations:
                yield '\n'.join(sorted(str(file.relative_to(path)) for file in path.rglob('*'))).encode(
                    'utf-8', 'surrogateescape'
                )


def _label_files(root: str, annotations: str, folder: str, suffix: str) -> Iterator[bytes]:
    """Names and contents of label pictures: of those that a list names, or else of all in the folder."""
    place, listed = expanded(joined(root, folder)), expanded(joined(root, annotations))
    named = listed.read_text('utf-8', 'replace').split('\n') if annotations and listed.is_file() else []
    files = [place / f'{name.strip()}{suffix}' for name in named if name.strip()]
    if not files or not all(file.is_file() for file in files):
        files = sorted(file for file in place.rglob(f'*{suffix}') if file.is_file())
    for file in files:
        yield str(file.relative_to(place)).encode('utf-8', 'surrogateescape')
        yield file.read_bytes()


def _run(model: BaseModel, loader: DataLoader) -> Iterable[tuple[object, list]]:
    for batch in progress(loader, 'predicting'):
        with torch.no_grad():
            yield batch, model.test_step(batch)


def _evaluators(cfg: Config, split: str) -> list[dict]:
    found = cfg.get(f'{split}_evaluator') or []
    return [one for one in (found if isinstance(found, (list, tuple)) else [found]) if isinstance(one, dict)]


def _coco_settings(cfg: Config, split: str) -> dict[str, dict]:
    """The CocoMetric that evaluates 'bbox' and the one that evaluates 'segm', by this name; the last if several do."""
    found = {}
    for evaluator in _evaluators(cfg, split):
        if type_name(evaluator) == 'CocoMetric':
            kinds = evaluator.get('metric', 'bbox')
            found.update(
                {kind: evaluator for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind in ('bbox', 'segm')}
            )
    return found


def _accuracy(cfg: Config, split: str) -> dict:
    return next((one for one in _evaluators(cfg, split) if type_name(one) == 'Accuracy'), {})


def _detections(batches: Iterable, dataset: BaseDataset, settings: dict[str, dict]) -> dict:
    first, *others = settings.values()
    if any(other.get('ann_file') != first.get('ann_file') for other in others):
        raise UserError(
            'the CocoMetrics of the evaluator have different ann_file, so that boxes and masks cannot be '
            'compared together'
        )
    kinds = list(settings)
    with tempfile.TemporaryDirectory() as folder:
        options = {key: first[key] for key in ('ann_file', 'backend_args', 'sort_categories') if key in first}
        with silent():
            metric = METRICS.build(
                dict(
                    type='mmdet.CocoMetric', **options, metric=kinds, format_only=True, outfile_prefix=f'{folder}/found'
                )
            )
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
    return dict(
        kind='detector',
        annotations=annotations,
        images=list(metric.img_ids),
        categories=list(metric.cat_ids),
        results=results,
        settings={kind: _arguments(one) for kind, one in settings.items()},
    )


def _read_results(path: Path) -> list[dict]:
    if not path.is_file():
        raise UserError(f"the evaluator asks for metric='{path.suffixes[-2][1:]}', of which the model predicts nothing")
    results = json.loads(path.read_text('utf-8'))
    if path.name.endswith('.segm.json'):
        for result in results:
            result.pop('bbox', None)  # with it pycocotools takes the size of an object from its box, and mmdet does not
    return results


def _arguments(settings: dict) -> dict:
    """Arguments of CocoEvaluation that are what a CocoMetric evaluates by."""
    ious = settings.get('iou_thrs')
    return dict(
        max_detections=list(settings.get('proposal_nums', (100, 300, 1000))),
        ious=None if ious is None else list(ious),
        parallel=bool(settings.get('use_mp_eval')),
    )


def _answers(batches: Iterable, settings: dict) -> dict:
    found: dict[str, list] = {
        name: [] for name in ('labels', 'ranks', 'predicted', 'scores', 'label_scores', 'indices')
    }
    classes = 0
    for _, samples in batches:
        for sample in samples:
            scores, truth = sample.get('pred_score'), sample.get('gt_label')
            if scores is None or truth is None or truth.numel() != 1:
                raise UserError(
                    'predictions are evaluated of detectors with a CocoMetric, of segmentors with an IoUMetric and '
                    'of classifiers with one class an image; this config is of none: correct its evaluator'
                )
            label, classes = int(truth), scores.numel()
            values = (
                label,
                _rank(scores, label, settings),
                int(scores.argmax()),
                float(scores.max()),
                float(scores[label]),
                sample.get('sample_idx', len(found['labels'])),
            )
            for kept, value in zip(found.values(), values, strict=True):
                kept.append(value)
    return dict(kind='classifier', classes=classes, **found)


def _rank(scores: Tensor, label: int, settings: dict) -> int:
    """The place of a class among the scores, from 0 on; the number of classes if no accuracy counts it as found.

    Of equal scores, and of NaN, those come first that mmpretrain's Accuracy takes first; what is not above its
    threshold counts as wrong.
    """
    limits, thresholds = settings.get('topk', (1,)), settings.get('thrs', 0.0)
    threshold = thresholds[0] if isinstance(thresholds, (list, tuple)) else thresholds
    if threshold is not None and not scores[label] > threshold:
        return scores.numel()
    most = min(scores.numel(), limits if isinstance(limits, int) else max(limits))
    best = scores.topk(most).indices.tolist()
    if label in best:
        return best.index(label)
    return max(most, scores.numel() - 1 - int((scores < scores[label]).sum()))


def _iou_settings(cfg: Config, split: str) -> dict:
    settings = next((one for one in _evaluators(cfg, split) if type_name(one) == 'IoUMetric'), {})
    return dict(ignored=settings.get('ignore_index', 255), nan=settings.get('nan_to_num'))
