"""Weights that a test loads, and the classes that they were trained on."""

from __future__ import annotations

from pathlib import Path

from mmengine.runner import Runner

from mmattn.data.text import few
from mmattn.engine.trained import classes_of
from mmattn.errors import UserError
from mmattn.weights.loading import load_weights

from .datasets import class_names, loaders_of


def load_tested(runner: Runner, checkpoint: str | Path) -> str | None:
    """Loads all weights of the model of a test; mmengine's runner would only log what is missing of it.

    Args:
        runner: Runner with its test loop built.
        checkpoint: Path or address of the weights.

    Returns:
        A line where they were trained on classes of other names, which may be right; None otherwise.

    Raises:
        UserError: The weights do not fit the model, or they were trained on the same classes in another order.
    """
    trained = classes_of(load_weights(runner.model, checkpoint).get('meta') or {})
    loader = loaders_of(runner, ('test',)).get('test')
    names = class_names(loader.dataset, 'test') if loader is not None else None
    if trained is None or names is None or trained == names:
        return None
    if sorted(map(str, trained)) == sorted(map(str, names)):
        raise UserError(
            f'{checkpoint} was trained on the classes ({few(trained)}), and the test data set has them in '
            f'another order ({few(names)}), so predictions would get wrong names; set its '
            f'metainfo.classes={trained}'
        )
    return (
        f'{checkpoint} was trained on classes of other names ({few(trained)}) than those of the test data set '
        f'({few(names)})'
    )
