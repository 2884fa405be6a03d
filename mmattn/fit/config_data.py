"""What the configs of all tasks have in common: loaders, data sets, evaluators, turns of training images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmattn.data.write_labels import LABELS

from .settings import Settings
from .source_text import Name, assignment

# Names of classes that the config lists itself.
MOST_CLASSES = 12


def number(settings: Settings) -> object:
    """The number of classes, as an expression where the config lists their names."""
    count = len(settings.classes)
    return Name('len(classes)') if count <= MOST_CLASSES else count


def loader(settings: Settings, part: str, pipeline: str, suffix: str, **options: object) -> dict:
    """The loader of a part, whose list of images or annotations is named like the part."""
    found: dict[str, Any] = {'**': Name('dataset'), 'ann_file': f'{part}.{suffix}', 'pipeline': Name(pipeline)}
    if not _shared(settings):
        found['data_prefix'] = _prefix(settings, part)
    return dict(**options, dataset=found)


def _shared(settings: Settings) -> bool:
    """Whether the images of all parts are in one folder."""
    return settings.pictures is not None or len(set(settings.roots.values())) == 1


def _prefix(settings: Settings, part: str) -> dict:
    if settings.pictures is not None:
        return dict(img_path=_folder(settings.pictures.root), seg_map_path=LABELS)
    return {'img_path' if settings.task == 'classes' else 'img': _folder(settings.roots[part])}


def _folder(path: Path) -> str:
    return path.resolve().as_posix().rstrip('/') + '/'


def data_set(settings: Settings) -> str:
    """What the data sets of all parts have in common."""
    meta = dict(classes=Name('classes'))
    if settings.pictures is not None and len(settings.classes) <= MOST_CLASSES:
        meta['palette'] = Name('palette')
    found: dict[str, Any] = dict(data_root=Name('data_root'), metainfo=meta)
    if settings.pictures is not None:
        found['img_suffix'] = settings.pictures.suffix
    if _shared(settings):
        found['data_prefix'] = _prefix(settings, 'train')
    return assignment('dataset', found)


def evaluated(settings: Settings, evaluator: str | None, suffix: str) -> list[str]:
    """Loaders and evaluators of validation and test; the test reads the validation part where there is no other."""
    val = [assignment('val_dataloader', loader(settings, 'val', 'test_pipeline', suffix, **workers(settings)))]
    if evaluator:
        val.append(evaluator.format(name='val'))
    if 'test' not in settings.roots:
        return [*val, 'test_dataloader, test_evaluator = val_dataloader, val_evaluator']
    test = [assignment('test_dataloader', loader(settings, 'test', 'test_pipeline', suffix, **workers(settings)))]
    test.append(evaluator.format(name='test') if evaluator else 'test_evaluator = val_evaluator')
    return [*val, *test]


def workers(settings: Settings) -> dict:
    """The settings of a loader for its processes."""
    return dict(num_workers=settings.workers, persistent_workers=True) if settings.workers else {}


def line(step: dict) -> str:
    """A transform on a line of its own."""
    return assignment('step', step).removeprefix('step = ')


def flips(settings: Settings) -> list[dict]:
    """The transforms that turn training images over, of pipelines of mmdet and mmsegmentation."""
    return {
        'none': [],
        'horizontal': [dict(type='RandomFlip', prob=0.5)],
        'all': [dict(type='RandomFlip', prob=0.75, direction=['horizontal', 'vertical', 'diagonal'])],
    }[settings['flips']]
