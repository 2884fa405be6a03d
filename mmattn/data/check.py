"""Checks the datasets of a config, or one that is given by its files, before a long run."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.fileio import list_from_file

from mmattn.data.check_coco import check_coco
from mmattn.data.check_folders import check_folders, check_list
from mmattn.data.check_labels import check_segmentation, is_segmentation
from mmattn.data.check_source import check_source, is_source
from mmattn.data.class_names import MMDET_CLASSES
from mmattn.data.images import EXTENSIONS
from mmattn.data.pipeline import image_loader, mask_check, transforms_in
from mmattn.data.readable import check_readable
from mmattn.data.report import Report
from mmattn.data.settings import settings_problems
from mmattn.data.text import printable, shown
from mmattn.engine.launch import load_config
from mmattn.engine.paths import expanded, joined, reads_from_disk
from mmattn.engine.preflight import datasets_in
from mmattn.engine.types import type_name
from mmattn.errors import UserError

SPLITS = ('train', 'val', 'test')
CONFIGS = ('.py', '.yml', '.yaml')

# Datasets of mmdet that read COCO's format as it is; LVIS and panoptic ones, among others, do not.
COCO_TYPES = tuple(MMDET_CLASSES)

# Datasets of mmpretrain that read a folder for each class, or a list of files and labels.
FOLDER_TYPES = ('ImageNet', 'CustomDataset')

IMAGENET_CLASSES = 1000


@dataclass
class Check:
    """A dataset to look through: how to call it, and the function that fills its report."""

    title: str
    fill: partial

    def run(self, workers: int | None = None, seconds: float | None = None) -> Report:
        """Looks through the dataset.

        Args:
            workers: Number of threads that decode images; None: one for each CPU.
            seconds: Time after which no further image is decoded, they come at random then; None: all are decoded.
        """
        report = Report(self.title)
        self.fill(report, workers=workers, seconds=seconds)
        return report


def check_dataset(
    path: Path,
    *,
    images: Path | None = None,
    splits: tuple[str, ...] = SPLITS,
    overrides: dict | None = None,
    workers: int | None = None,
    format: str | None = None,
) -> Iterator[Report]:
    """Looks through the datasets that a path names.

    Args:
        path: Path of an mmdet, mmpretrain or mmsegmentation config, of a COCO-style .json file, or of a data set: its
            folder, or the file that describes it.
        images: Folder of the images of a .json file; None: the file's own folder.
        splits: Splits of a config to look through, any of 'train', 'val' and 'test'.
        overrides: Values for settings of a config, by their dotted keys.
        workers: Number of threads that decode images; None: one for each CPU.
        format: Format of a data set that is given by its folder or file; None: it is recognised.

    Yields:
        A report for each dataset, as soon as it is ready.

    Raises:
        UserError: The path is of none of these kinds, an option is not for its kind, or there is nothing to check.
    """
    if format is not None or is_source(path):
        if images is not None or overrides:
            raise UserError(
                f'{"--images is for a .json file" if images else "--cfg-options is for a config"}, and '
                f"'{path}' is a data set; leave the option out"
            )
        yield from _compared(check_source(path, format, workers))
        return
    if path.suffix in CONFIGS:
        if images is not None:
            raise UserError('--images is for a .json file; for a config set data_prefix with --cfg-options')
        yield from check_config(load_config(path, overrides), splits, workers)
        return
    if overrides:
        raise UserError('--cfg-options is for a config')
    if not (os.path.isfile(path) and path.suffix == '.json'):
        raise UserError(f"'{path}' is no config (.py), .json file or folder; give one of these")
    yield check_path(path, images, workers)


def check_config(cfg: Config, splits: tuple[str, ...] = SPLITS, workers: int | None = None) -> Iterator[Report]:
    """Looks through each dataset of a config once, inside wrappers too.

    Args:
        cfg: Config of mmdet, mmpretrain or mmsegmentation.
        splits: Splits to look through, any of 'train', 'val' and 'test'.
        workers: Number of threads that decode images; None: one for each CPU.

    Yields:
        A report for each dataset, as soon as it is ready.

    Raises:
        UserError: If the splits have no dataset that can be checked.
    """
    checks, skipped = _checks(cfg, splits)
    if not checks:
        why = '; '.join(skipped) or f'it has none for {", ".join(splits)}'
        raise UserError(
            f'the config has no COCO-style, ImageNet-style or segmentation dataset on disk ({why}); name another '
            'config or split'
        )
    yield from _compared(_run(checks, workers))
    for line in skipped:
        yield Report(
            f'{line}: not checked',
            notes=[
                'its type is none that the check knows; check its files: give the .json file with '
                '--images, or the folder'
            ],
            checked=False,
        )


def _run(checks: dict, workers: int | None) -> Iterator[Report]:
    for names, check in checks.values():
        report = check.run(workers)
        report.title = f'{", ".join(names)}: {report.title}'
        yield report


def check_path(path: Path, images: Path | None, workers: int | None = None) -> Report:
    """Looks through a COCO-style JSON file with its images.

    Args:
        path: The JSON file.
        images: The folder of the JSON file's images (default: the file's own folder).
        workers: Number of threads that decode images (default: one for each CPU).
    """
    report = Report(str(path))
    check_coco(report, path, images or path.parent, workers=workers)
    return report


def _compared(reports: Iterator[Report]) -> Iterator[Report]:
    """The same reports, those of class folders held against the first."""
    folders = None
    for report in reports:
        if report.folders is not None:
            folders = report.folders if folders is None else folders
            compare_folders(report, folders)
        yield report


def _checks(cfg: Config, splits: tuple[str, ...]) -> tuple[dict, list[str]]:
    """Checks with the splits that share them, and the datasets that cannot be checked."""
    checks: dict[tuple[str, str], tuple[list[str], Check]] = {}
    skipped = []
    for split in splits:
        loader = cfg.get(f'{split}_dataloader') or {}
        if not isinstance(loader, dict):
            raise UserError(f'{split}_dataloader is no dict, but {shown(loader)}; correct it in the config')
        segm = split != 'train' and reads_masks(cfg.get(f'{split}_evaluator'))
        for _, dataset in datasets_in(loader.get('dataset'), ''):
            check = check_of(dataset, segm=segm or None)
            if check is None:
                skipped.append(f'{split} ({type_name(dataset) or "no type"})')
                continue
            names, _ = checks.setdefault((check.title, str(check.fill)), ([], check))
            if split not in names:
                names.append(split)
    return checks, skipped


def reads_masks(evaluator: Any) -> bool:
    """Whether an evaluator of a config, or one of several, is a CocoMetric of masks."""
    if isinstance(evaluator, (list, tuple)):
        return any(map(reads_masks, evaluator))
    metric = evaluator.get('metric', 'bbox') if type_name(evaluator) == 'CocoMetric' else ()
    return 'segm' in (metric if isinstance(metric, (list, tuple)) else [metric])


def check_of(
    dataset: dict, *, evaluated: bool | None = None, segm: bool | None = None, images: bool = True
) -> Check | None:
    """The check for one dataset of a config; None if it is of another kind or not on disk.

    Args:
        dataset: Settings of the dataset, without wrappers.
        evaluated: Whether pycocotools reads the annotations too, as mmdet's CocoMetric does; None: if the dataset is in
            ``test_mode``.
        segm: Whether it reads their masks; None: if it reads annotations and the pipeline loads masks.
        images: Whether the files of the images are looked for; an evaluator reads none.
    """
    kind = type_name(dataset)
    segmentation = is_segmentation(dataset)
    if not (segmentation or kind in (*FOLDER_TYPES, *COCO_TYPES)) or not all(
        map(reads_from_disk, (dataset, *transforms_in(dataset.get('pipeline'))))
    ):
        return None
    problems = list(settings_problems(dataset, needs_img=kind in COCO_TYPES and not segmentation))
    if problems:
        return Check(
            f'{kind} {printable(str(dataset.get("ann_file") or dataset.get("data_root") or ""))}',
            partial(_report_settings, problems=problems),
        )
    root, ann_file = (os.fspath(dataset.get(key) or '') for key in ('data_root', 'ann_file'))
    prefix = dataset.get('data_prefix') or ''
    if not isinstance(prefix, str):
        prefix = prefix.get('img') or prefix.get('img_path') or ''
    if '://' in f'{root}{ann_file}{prefix}':
        return None
    if evaluated is None:
        evaluated = bool(dataset.get('test_mode'))
    loader = image_loader(dataset)
    left_out = bool(loader and loader.ignore_empty and not dataset.get('test_mode'))
    options: dict[str, Any] = dict(loader=loader, images_left_out=left_out)
    if segmentation:
        return _segmentation_check(dataset, kind, root, ann_file, options)
    if kind in FOLDER_TYPES:
        return _folder_check(dataset, kind, root, ann_file, prefix, options)
    if evaluated and segm is None:
        segm = mask_check(dataset) is not None
    # mmdet does not expand ~ in its paths, and mmpretrain does.
    annotations = Path(joined(root, ann_file))
    return Check(
        f'{kind} {annotations}',
        partial(
            check_coco,
            ann_file=annotations,
            image_dir=Path(joined(root, prefix)) if images else None,
            evaluated=evaluated,
            classes=_classes(dataset, MMDET_CLASSES[kind]),
            masks=mask_check(dataset, segm),
            **options,
        ),
    )


def _segmentation_check(dataset: dict, kind: str, root: str, ann_file: str, options: dict) -> Check:
    prefix = dataset.get('data_prefix')
    folder = prefix.get('seg_map_path') or prefix.get('img_path') if isinstance(prefix, dict) else prefix
    return Check(
        f'{kind} {joined(root, ann_file or folder or "")}', partial(check_segmentation, dataset=dataset, **options)
    )


def _report_settings(
    report: Report, problems: list[str], workers: int | None = None, seconds: float | None = None
) -> None:
    for problem in problems:
        report.problems.add('settings that the data set cannot read', problem)


def _folder_check(dataset: dict, kind: str, root: str, ann_file: str, prefix: str, options: dict) -> Check:
    """mmpretrain's ImageNet takes folder and list from ``split`` where they are not given."""
    split = dataset.get('split') if kind == 'ImageNet' else None
    if split:
        prefix = prefix or split
        listed = f'meta/{split}.txt'
        if not ann_file and os.path.isfile(_path(root, listed)):
            ann_file = listed
    images = _path(root, prefix)
    imagenet = [f'label {label}' for label in range(IMAGENET_CLASSES)] if kind == 'ImageNet' else None
    options.update(
        image_dir=images, classes=_classes(dataset, imagenet), with_label=dataset.get('with_label', split != 'test')
    )
    if ann_file:
        annotations = _path(root, ann_file)
        return Check(f'{kind} {annotations}', partial(check_list, ann_file=annotations, **options))
    extensions = [each.lower() for each in dataset.get('extensions', EXTENSIONS)]
    return Check(f'{kind} {images}', partial(check_folders, extensions=extensions, **options))


def _classes(dataset: dict, default: Sequence[str] | None) -> Sequence[str] | None:
    metainfo = dataset.get('metainfo') or {}
    classes = metainfo.get('classes') or dataset.get('classes')
    if isinstance(classes, str):  # mm takes it for a file with a name in each line
        if not os.path.exists(classes):
            raise UserError(
                f"no file '{classes}' with the names of the classes; put one there, or list the names in "
                f"the config: ('{classes}',), with a comma for one alone"
            )
        try:
            check_readable(classes)
            classes = list_from_file(classes)
        except (OSError, ValueError) as error:
            raise UserError(f"cannot read '{classes}' with the names of the classes: {error}") from error
    return list(classes) if classes else default


def _path(root: str, path: str) -> Path:
    return expanded(joined(root, path))


def compare_folders(report: Report, first: Sequence[str]) -> None:
    """Reports class folders that two splits do not share: labels are places of folders in the alphabet, so they shift.

    Args:
        report: Report of a dataset with class folders, to which problems are added.
        first: Names of another split's class folders.
    """
    for name in sorted(set(first) ^ set(report.folders or ())):
        report.problems.add('class folders that not all splits have (labels shift)', name)
