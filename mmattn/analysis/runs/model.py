"""The trained model that a command line names: a work folder, a config and a checkpoint, or a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from mmattn.analysis.runs.work_dir import find_checkpoint, find_config
from mmattn.engine import launch
from mmattn.engine.paths import is_local
from mmattn.errors import UserError

CHECKPOINT_SUFFIXES = frozenset(('.pth', '.pt', '.ckpt', '.bin', '.safetensors'))


def find_model(
    model: str, checkpoint: str | Path | None = None, others: Sequence[str] = (), overrides: dict | None = None
) -> tuple[Config, str | Path, list[str]]:
    """Config and checkpoint by what the first arguments of a command are.

    Args:
        model: Work folder, config, or checkpoint in a work folder.
        checkpoint: Path or address of the checkpoint, where it is named apart; None: by the other arguments.
        others: Arguments behind the model; behind a config, the first of them is its checkpoint.
        overrides: Values of the config by their keys in dotted form.

    Returns:
        The config, the path or address of the checkpoint, and the arguments that are left.

    Raises:
        UserError: One of them is missing.
    """
    path, left = Path(model), list(others)
    if path.is_dir():
        cfg, _ = find_config(path, overrides)
        checkpoint = checkpoint or find_checkpoint(path, best=True)
    elif _is_checkpoint(path):
        if not path.is_file():
            raise UserError(f"no checkpoint at '{model}'; name another")
        cfg, checkpoint = find_config(path.parent, overrides)[0], checkpoint or path
    elif path.suffix == '.py':
        cfg = launch.load_config(path, overrides)
        if checkpoint is None and left and _is_checkpoint(Path(left[0])):
            checkpoint = left.pop(0)
        if checkpoint is None:
            raise UserError(
                f"'{model}' is a config: name its checkpoint behind it (CONFIG CHECKPOINT …), or a "
                'work folder instead of it'
            )
    else:
        raise UserError(f"'{model}' is no work folder, config (*.py) or checkpoint (*.pth); name one of these first")
    if is_local(str(checkpoint)) and not Path(checkpoint).is_file():
        raise UserError(f"no checkpoint at '{checkpoint}'; name another")
    return cfg, checkpoint, left


def _is_checkpoint(path: Path) -> bool:
    return path.suffix.lower() in CHECKPOINT_SUFFIXES
