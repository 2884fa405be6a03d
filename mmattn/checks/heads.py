"""The number of classes of every head against that of the data."""

from __future__ import annotations

from collections.abc import Iterator

from mmengine.config import Config
from torch import nn

from mmattn.data.text import few
from mmattn.engine.types import type_name
from mmattn.errors import UserError
from mmattn.weights.loading import unwrapped

# Parts whose number of classes is not that of the data's objects: proposals, regions of another annotation, tasks.
OTHERS = ('rpn', 'semantic', 'task_heads', 'language_model', 'timm_model')


def check_heads(model: nn.Module, classes: dict[str, tuple], meta: dict[str, dict], cfg: Config) -> None:
    """Raises UserError if a part of the model is made for another number of classes than a split has.

    A head with too many classes trains in silence on outputs that nothing teaches; one with too few raises, or counts
    objects as background.

    Args:
        model: Model of the run.
        classes: Names of the classes by split.
        meta: Metainfo of the data set by split.
        cfg: Config, for the keys of the message.
    """
    if any(name.startswith('language_model') for name, _ in unwrapped(model).named_children()):
        return  # it is asked for the classes in words
    parts = list(parts_with_classes(model))
    for split, names in classes.items():
        # A panoptic network has heads for the things alone, and for things and stuff.
        things = meta.get(split, {}).get('thing_classes') or names
        wrong = [(key, number) for key, number in parts if number not in (len(names), len(things))]
        if wrong:
            key, number = wrong[0]
            settings = ' '.join(f'{_key(cfg, name)}.num_classes={len(names)}' for name, _ in wrong)
            raise UserError(
                f'{_key(cfg, key)}.num_classes is {number}, but the {split} data set has {len(names)} '
                f'class{"es" if len(names) > 1 else ""} ({few(names)}); set --cfg-options {settings}, or '
                'the metainfo.classes of the data sets'
            )


def parts_with_classes(model: nn.Module) -> Iterator[tuple[str, int]]:
    """Names of the modules that are made for a number of classes of the data, with that number."""
    for name, module in unwrapped(model).named_modules():
        number = getattr(module, 'num_classes', None)
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            continue
        if any(other in name for other in OTHERS) or 'RPNHead' in type(module).__name__:
            continue
        if getattr(module, 'class_agnostic', False):
            continue
        if not name and hasattr(module, 'decode_head'):
            continue  # a segmentor repeats that of its head
        if name.startswith('backbone.') or (name == 'data_preprocessor' and not _encodes(module)):
            continue
        yield name, number


def _encodes(preprocessor: nn.Module) -> bool:
    """Whether mmpretrain's preprocessor makes vectors of labels; otherwise its number of classes is not used."""
    return bool(getattr(preprocessor, 'to_onehot', False) or getattr(preprocessor, 'batch_augments', None))


def _key(cfg: Config, name: str) -> str:
    """Key of the config for a module, where the config has it under the module's name."""
    if name == 'data_preprocessor' and 'data_preprocessor' not in cfg.get('model', {}):
        return name
    # With attention on modules of a head, its own settings are inside.
    inner = type_name(cfg.get('model', {}).get(name)) == 'AttentionOn'
    return f'model.{name}.backbone' if inner else f'model.{name}'
