"""Checks before a run that all is there that it will need: packages, data, weights, GPUs, places to write to."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import torch
from mmengine.config import Config

from mmattn.commands import command, in_users_words, installation
from mmattn.errors import LINE, CheckpointError, UserError, one_line, shortened
from mmattn.shipped import CONFIGS

from .paths import expanded, has_files, is_local, joined, reads_from_disk
from .scope import scope_of
from .types import type_name

# Where data sets of mmsegmentation have the folder of the label pictures, in data_prefix.
LABELS = 'seg_map_path'
# Data sets of mmpretrain that fetch themselves when they are not there.
DOWNLOADED = ('CIFAR10', 'CIFAR100', 'MNIST', 'FashionMNIST')


def check_parts(cfg: Config, names: tuple[str, ...]) -> None:
    """Raises UserError if the config lacks one of these settings, or it is no dict."""
    for name in names:
        if not isinstance(cfg.get(name), dict):
            raise UserError(
                f"the config has no '{name}', or it is no dict; give a whole config of mmdet, mmpretrain or "
                'mmseg, or add it there'
            )


def check_packages(cfg: Config) -> None:
    """Raises UserError if the library that the config belongs to is not installed."""
    scope = scope_of(cfg)
    if importlib.util.find_spec(scope) is None:
        raise UserError(
            f'the config is one of {scope}, which is not installed; install everything with: {installation(scope)}'
        )


def check_gpus() -> None:
    """Raises UserError if more processes were started on this machine than it has GPUs.

    Without any GPU the processes share the CPU, and their number is free.
    """
    processes, gpus = int(os.environ.get('LOCAL_WORLD_SIZE', 1)), torch.cuda.device_count()
    if 0 < gpus < processes:
        raise UserError(
            f'{processes} processes were asked for, but this machine has '
            f'{gpus} GPU{"s" if gpus > 1 else ""} to offer; ask for {gpus}, or set '
            'CUDA_VISIBLE_DEVICES= to run on the CPU'
        )


def check_output(path: str | Path, folder: bool = False) -> None:
    """Raises UserError if a file that will be written at the end cannot be; better now than after the work.

    Args:
        path: Path of the file or folder.
        folder: Whether `path` is a folder that files will be written into.
    """
    path = Path(path)
    if path.is_dir() and not folder:
        raise UserError(f"cannot write the file '{path}', which is a folder; name a file in it")
    place = path if folder else path.parent
    while not os.path.exists(place):  # missing folders will be made
        place = place.parent
    if not place.is_dir():
        raise UserError(f"cannot write '{path}': '{place}' is a file, no folder; name another place")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(f"cannot write '{path}': no permission to write in '{place}'; name another place")


def check_weights(cfg: Config, training: bool) -> None:
    """Raises UserError if a local checkpoint that the config names is missing or damaged.

    Args:
        cfg: Config, with the options of the command line.
        training: Whether the model will be initialised, so that ``init_cfg`` counts.
    """
    _check_checkpoint(cfg.get('load_from'), '', f'name another, or train one with {command("train")}')
    # Weights that are loaded afterwards do not spare the initialisation in training.
    for key, checkpoint in _pretrained(cfg.get('model'), 'model') if training else ():
        _check_checkpoint(checkpoint, f' for {key}', _ways_on(key, checkpoint))


def _ways_on(key: str, checkpoint: object) -> str:
    """What to do without the checkpoint that `key` names; for those of our configs, which nobody distributes, more."""
    ways = (
        f'name another with --cfg-options {key}.checkpoint=FILE, or start from random weights with '
        f'--cfg-options {_random(key)}'
    )
    name = Path(str(checkpoint)).stem.replace('_', '-')
    classifiers = sorted(CONFIGS.glob(f'*/{name}_*_in1k.py'))
    if not classifiers:
        return f'put one there, or {ways}'
    return in_users_words(
        "configs/mask_rcnn_sda_r50.py runs at once, with torchvision's weights; or train "
        f'configs/{classifiers[0].relative_to(CONFIGS).as_posix()} and put its checkpoint there, or {ways}'
    )


def _check_checkpoint(checkpoint: object, what_for: str, what_to_do: str) -> None:
    if not is_local(checkpoint):
        return
    if not expanded(checkpoint).is_file():
        raise UserError(f"no checkpoint at '{checkpoint}'{what_for}; {what_to_do}")
    from mmattn.weights.schemes import read_file  # with mmengine's runner, which few tools need

    try:
        read_file(expanded(checkpoint))
    except CheckpointError as error:
        text = f'cannot read the checkpoint{what_for}: {one_line(error)}'
        raise UserError(
            shortened(f'{shortened(text, LINE - min(len(what_to_do), 100) - 2)}; {what_to_do}', LINE)
        ) from error


def _random(key: str) -> str:
    """The options that make a model start from random weights where `key` names a checkpoint.

    What a backbone holds fixed of pretrained weights must learn then: stem, first stages, BatchNorm's statistics.
    """
    backbone, found, _ = key.rpartition('backbone.init_cfg')
    fixed = f' {backbone}backbone.frozen_stages=-1 {backbone}backbone.norm_eval=False' if found else ''
    return f'{key}=None{fixed}'


def _pretrained(node: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(node, dict):
        if type_name(node) in ('Pretrained', 'PretrainedInit'):
            yield path, node.get('checkpoint')
        for key, value in node.items():
            yield from _pretrained(value, f'{path}.{key}')
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from _pretrained(value, f'{path}.{index}')


def check_data(cfg: Config, splits: tuple[str, ...], loop: bool = True) -> None:
    """Raises UserError if annotations or images that the config names are missing.

    Args:
        cfg: Config of the run.
        splits: Splits that the run will read, any of 'train', 'val' and 'test'.
        loop: Whether validation images are read by the config's own loop, and so not without `val_cfg`.
    """
    missing = []
    for split in splits_read(cfg, splits) if loop else splits:
        loader = cfg.get(f'{split}_dataloader') or {}
        for key, dataset in datasets_in(loader.get('dataset'), f'{split}_dataloader.dataset'):
            missing += _missing_from(dataset, f'{split} ', key)
        missing += _missing_from_evaluator(cfg.get(f'{split}_evaluator'), f'{split}_evaluator')
    if missing:
        more = f' (and {len(missing) - 1} more)' if len(missing) > 1 else ''
        raise UserError(missing[0].replace(';', f'{more};', 1))


def splits_read(cfg: Config, splits: tuple[str, ...]) -> list[str]:
    """Those of the splits that a run reads."""
    return [
        split
        for split in splits
        if cfg.get(f'{split}_dataloader') is not None and (split != 'val' or cfg.get('val_cfg') is not None)
    ]


def datasets_in(node: object, key: str) -> Iterator[tuple[str, dict]]:
    """The data sets inside wrappers such as RepeatDataset and ConcatDataset, with their keys."""
    if isinstance(node, (list, tuple)):
        for index, part in enumerate(node):
            yield from datasets_in(part, f'{key}.{index}')
    elif isinstance(node, dict):
        inner = [name for name in ('dataset', 'datasets') if name in node]
        for name in inner:
            yield from datasets_in(node[name], f'{key}.{name}')
        if not inner:
            yield key, node


def _missing_from(dataset: dict, split: str, key: str) -> list[str]:
    """Joins paths as mmengine's BaseDataset does, and says which are not there."""
    if not reads_from_disk(dataset) or (type_name(dataset) in DOWNLOADED and dataset.get('download', True)):
        return []
    root = dataset.get('data_root') or ''
    hint = f'--cfg-options {key}.data_root=DIR'
    if is_local(root) and not expanded(root).is_dir():
        return [_message(f'{split}data', 'folder', root, hint)]

    missing = []
    annotations = dataset.get('ann_file')
    if isinstance(annotations, str) and annotations:
        path = joined(root, annotations)
        if is_local(path) and not expanded(path).exists():
            missing.append(_message(f'{split}annotations', 'file', path, hint))
    prefixes = dataset.get('data_prefix') or {}
    for name, prefix in prefixes.items() if isinstance(prefixes, dict) else [('img', prefixes)]:
        path = joined(root, prefix) if isinstance(prefix, str) else ''
        if is_local(path) and not has_files(expanded(path)):
            what = 'label pictures' if name == LABELS else 'images'
            where = hint if what == 'images' else f'--cfg-options {key}.data_prefix.{name}=DIR'
            missing.append(_message(f'{split}{what}', 'filled folder', path, where))
    return missing


def _missing_from_evaluator(evaluator: object, key: str) -> list[str]:
    missing = []
    if isinstance(evaluator, (list, tuple)):
        for index, part in enumerate(evaluator):
            missing += _missing_from_evaluator(part, f'{key}.{index}')
    elif isinstance(evaluator, dict) and reads_from_disk(evaluator):
        path = evaluator.get('ann_file')
        if isinstance(path, str) and is_local(path) and not expanded(path).is_file():
            missing.append(_message('annotations of the evaluator', 'file', path, f'--cfg-options {key}.ann_file=FILE'))
    return missing


def _message(what: str, kind: str, path: str, hint: str) -> str:
    where = '' if os.path.isabs(path) else f' in {os.getcwd()}'
    return (
        f"the {what} are missing: no {kind} '{path}'{where}; put or link the data there, or "
        f'name another place with {hint}'
    )
