"""Check that COCO-style annotations hold objects to train on, before a training ends at AP 0 for want of them."""
import json
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from mmattn.data.check import check_of
from mmattn.data.check_coco import check_coco
from mmattn.engine.preflight import datasets_in, splits_read
from mmattn.errors import UserError, kind_and_text


def check_objects(cfg: Config, splits: tuple[str, ...]) -> None:
    """Raises UserError if a split has no image, no class of the config or, for training, no object of one.

    The files are parsed for it and a second time by mmdet: some seconds for COCO's largest, which
    a training that learns nothing is not worth.

    Args:
        cfg: Config of the run, its data in place.
        splits: Splits that the run will read, any of 'train', 'val' and 'test'.
    """
    for split in splits_read(cfg, splits):
        loader = cfg[f'{split}_dataloader']
        found = [_problem(dataset, split) for _, dataset in datasets_in(loader.get('dataset'), '')]
        # Beside others a data set may well have no objects: images of background.
        if found and all(found):
            raise UserError(f'{found[0]}; look through the data with: '
                            f'python tools/prepare_data.py check CONFIG --split {split}')


def _problem(dataset: dict, split: str) -> str | None:
    check = check_of(dataset)
    if check is None or check.fill.func is not check_coco:
        return None
    path, classes = check.fill.keywords['ann_file'], check.fill.keywords['classes']
    try:
        return _lacks(json.loads(path.read_text('utf-8')), path, classes, with_objects=split == 'train')
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        return f'{path} cannot be read as annotations of COCO ({kind_and_text(error)})'


def _lacks(content: dict, path: Path, classes: Sequence[str] | None, with_objects: bool) -> str | None:
    if not content['images']:
        return f'{path} has no images'
    names = {each['id']: each['name'] for each in content['categories']}
    kept = {identifier for identifier, name in names.items() if classes is None or name in classes}
    if not kept:
        return (f"no category of {path} ({_few(names.values())}) is one of the config's classes "
                f'({_few(classes or ())}): set metainfo.classes of the data set')
    if with_objects and not any(each['category_id'] in kept and not each.get('iscrowd')
                                for each in content['annotations']):
        return f"{path} has no object of the config's classes to train on"
    return None


def _few(names: Sequence[str], most: int = 4) -> str:
    names = list(map(str, names))
    return ', '.join(names[:most] + ['…'] * (len(names) > most)) or 'none'
