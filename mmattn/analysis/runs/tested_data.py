"""What a config says of the images that its trained model takes: the transforms of its test data, and class names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmengine.config import Config

from mmattn.errors import UserError


def transforms_of(cfg: Config) -> list[dict]:
    """The settings of the transforms of the config's test data, or of its validation data if it has none.

    Args:
        cfg: Config with a test_dataloader, a val_dataloader or a test_pipeline.

    Raises:
        UserError: It has none of these.
    """
    for dataset in _datasets(cfg):
        if dataset.get('pipeline'):
            return dataset['pipeline']
    if cfg.get('test_pipeline'):
        return cfg.test_pipeline
    raise UserError(
        f'{cfg.filename} has neither test_dataloader nor val_dataloader, so that it is not known how its '
        'network takes images; add one with a pipeline, or test_pipeline=[…]'
    )


@dataclass(frozen=True)
class ClassNames:
    """Names of a model's classes.

    Args:
        names: Names in the order of the labels; empty where they are not known.
    """

    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, trained: Sequence[str] | None, cfg: Config) -> ClassNames:
        """The names that a checkpoint holds, or else those of the config's test or validation data.

        Args:
            trained: Names that the checkpoint holds, or None.
            cfg: Config of the model.
        """
        return cls(tuple(map(str, trained or _meta(cfg, 'classes') or ())))

    def __len__(self) -> int:
        return len(self.names)

    def name(self, label: int) -> str:
        """The name of a class.

        Args:
            label: Label of the class, from 0 on.
        """
        return self.names[label] if label < len(self.names) else f'class {label}'

    def label(self, name: str) -> int:
        """The label of a class.

        Args:
            name: Name of the class; or the label as text, where the names are not known.

        Raises:
            UserError: There is no such class.
        """
        if name in self.names:
            return self.names.index(name)
        if name.isdigit() and not self.names:
            return int(name)
        known = ', '.join(self.names[:10]) or 'unknown, give numbers'
        raise UserError(
            f'{name!r} is no class of the checkpoint; its classes are: {known}{", ..." if len(self.names) > 10 else ""}'
        )


def palette_of(trained: Sequence[Sequence[int]] | None, cfg: Config) -> Sequence[Sequence[int]] | None:
    """The RGB colours of the classes that a checkpoint holds, or else those of the config's test or validation data.

    Args:
        trained: Colours that the checkpoint holds, or None.
        cfg: Config of the model.
    """
    return trained or _meta(cfg, 'palette')


def _datasets(cfg: Config) -> Iterator[dict]:
    """The data sets of test and validation, wrappers before what they hold."""
    waiting = [(cfg.get(f'{split}_dataloader') or {}).get('dataset') for split in ('test', 'val')]
    while waiting:
        dataset = waiting.pop(0)
        if isinstance(dataset, dict):
            yield dataset
            waiting[:0] = [dataset.get('dataset'), *(dataset.get('datasets') or ())]


def _meta(cfg: Config, key: str) -> Sequence | None:
    for dataset in _datasets(cfg):
        found = (dataset.get('metainfo') or {}).get(key) or dataset.get(key)
        if found and not isinstance(found, str):
            return found
    return None
