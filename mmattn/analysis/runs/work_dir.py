"""Work folder of a training: config, last or best checkpoint, and how far the training came."""

from pathlib import Path

from mmengine.config import Config

from mmattn.analysis.runs.history import History
from mmattn.commands import command
from mmattn.engine import launch
from mmattn.engine.resuming.files import NOTE, RUN, is_whole, read_note
from mmattn.engine.resuming.newest import newest_checkpoint
from mmattn.errors import CheckpointError, UserError
from mmattn.weights.training import read_training


def find_config(work_dir: Path, overrides: dict | None = None) -> tuple[Config, Path]:
    """The config that a training left, and its path: config.py if it is there, else the newest.

    Args:
        work_dir: Work folder of the training.
        overrides: Values of the config by their keys in dotted form, as ``--cfg-options`` has them.

    Raises:
        UserError: There is none, or it cannot be read.
    """
    configs = sorted(work_dir.glob('*.py'), key=lambda path: (path.name == 'config.py', path.stat().st_mtime))
    if not configs:
        raise UserError(f"no config (*.py) in '{work_dir}'; {command('train')} leaves one there: train again")
    return launch.load_config(str(configs[-1]), overrides), configs[-1]


def find_checkpoint(work_dir: Path, best: bool = False) -> Path:
    """The path of the last checkpoint, which the note last_checkpoint names; or of the best one.

    A checkpoint is looked for beside the note too, as the work folder may have been moved.

    Args:
        work_dir: Work folder of the training.
        best: Whether to take the best checkpoint (``best_*.pth``, the newest if there are several), or, where the
            training kept none, the newest that is whole.

    Raises:
        UserError: There is none.
    """
    if best:
        return _best_checkpoint(work_dir)
    note = work_dir / NOTE
    if not note.is_file():
        raise UserError(f"no checkpoint in '{work_dir}' (no file last_checkpoint); name another, or train again")
    named = Path(note.read_text('utf-8').strip())
    for path in (work_dir / named.name, named):
        if path.is_file():
            return path
    raise UserError(f"{note} names '{named}', which is missing; name another, or train again")


def _best_checkpoint(work_dir: Path) -> Path:
    newest = newest_checkpoint(work_dir).path
    files = sorted((path for path in work_dir.glob('*.pth') if path.is_file()), key=lambda path: path.stat().st_mtime)
    run = read_note(work_dir, RUN)
    for path in reversed(files):
        if path.name.startswith('best_') and _is_of(run, path) and is_whole(path):
            return path
    if newest is not None:
        return newest
    if not files:
        raise UserError(f"no checkpoint (*.pth) in '{work_dir}'; name another, or train again")
    # Weights without the state of a training: the newest, if possible whole; the reader says what is wrong with others.
    return max(files, key=lambda path: (_is_of(run, path), is_whole(path), path.stat().st_mtime))


def _is_of(run: str | None, path: Path) -> bool:
    """Whether a checkpoint is of the training of this name, or does not say of which it is."""
    try:
        progress = read_training(path, tensors=False).get('progress')
    except CheckpointError:
        return False
    its_run = progress.get('run') if isinstance(progress, dict) else None
    return run is None or its_run is None or its_run == run


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
