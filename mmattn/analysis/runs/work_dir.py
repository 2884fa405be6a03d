"""Work folder of a training: config, last checkpoint, and how far the training came."""
from pathlib import Path

from mmengine.config import Config

from mmattn.analysis.runs.history import History
from mmattn.engine import launch
from mmattn.errors import UserError


def find_config(work_dir: Path) -> tuple[Config, Path]:
    """The config that a training left, and its path; after several trainings the latest.

    Args:
        work_dir: Work folder of the training.

    Raises:
        UserError: There is none, or it cannot be read.
    """
    configs = sorted(work_dir.glob('*.py'), key=lambda path: path.stat().st_mtime)
    if not configs:
        raise UserError(f"no config (*.py) in '{work_dir}'; tools/train.py leaves one there: train again")
    return launch.load_config(str(configs[-1])), configs[-1]


def find_checkpoint(work_dir: Path) -> Path:
    """The path of the checkpoint that last_checkpoint names; beside it, if the work folder was moved.

    Args:
        work_dir: Work folder of the training.

    Raises:
        UserError: There is none.
    """
    note = work_dir / 'last_checkpoint'
    if not note.is_file():
        raise UserError(f"no checkpoint in '{work_dir}' (no file last_checkpoint); name another, or train again")
    named = Path(note.read_text('utf-8').strip())
    for path in (work_dir / named.name, named):
        if path.is_file():
            return path
    raise UserError(f"{note} names '{named}', which is missing; name another, or train again")


def planned_end(cfg: Config, history: History) -> str | None:
    """How far an unfinished training came, for instance 'epoch 3 of 8'; None if it reached its end.

    Args:
        cfg: Config of the training.
        history: Its losses and validations.
    """
    last = history.validations[-1]
    epochs, iterations = ((cfg.get('train_cfg') or {}).get(key) for key in ('max_epochs', 'max_iters'))
    if epochs is not None and last.epoch is not None:
        return None if last.epoch >= epochs else f'epoch {last.epoch} of {epochs}'
    if iterations is None:
        return None
    unlogged = cfg.get('default_hooks', {}).get('logger', {}).get('interval', 10) - 1
    reached = last.iteration + unlogged >= iterations
    return None if reached else f'iteration {last.iteration} of {iterations}'
