"""The checkpoint of a folder from which a training goes on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mmattn.errors import LINE, CheckpointError, UserError, one_line, shortened
from mmattn.weights.reader import with_weights
from mmattn.weights.training import read_training

from .files import RUN, is_whole, read_note

# Characters of a reason in a line.
WHY = 100


@dataclass(frozen=True)
class Newest:
    """The newest whole checkpoint of a training, and those that were passed over for it.

    Args:
        path: Path of the checkpoint; None where the folder holds none.
        passed_over: Newer checkpoints that are damaged or of an older training, with the reason, in a line each.
    """

    path: Path | None
    passed_over: tuple[str, ...]


def newest_checkpoint(folder: Path) -> Newest:
    """Finds the newest whole checkpoint of the training that last ran in a folder.

    Only the checkpoints themselves decide, by the number of iterations in them and by their checksums; mmengine's note
    ``last_checkpoint`` may be lost, or name a file that is gone or damaged.

    Args:
        folder: Work folder of the training.
    """
    found, passed_over = [], []
    for path in sorted(folder.glob('*.pth')):
        try:
            content = with_weights(read_training(path, tensors=False), path)
        except CheckpointError as error:
            why = one_line(error).removeprefix(f'{path} is ').removeprefix(f'{path} ')
            passed_over.append(f'{path} is damaged ({shortened(why, WHY)})')
            continue
        iteration = _iteration(content)
        if iteration is not None:
            progress = content.get('progress')
            run = progress.get('run') if isinstance(progress, dict) else None
            found.append((iteration, path.stat().st_mtime, path, run))
    run = read_note(folder, RUN)
    for _, _, path, its_run in sorted(found, reverse=True):
        if run and its_run != run:
            passed_over.append(f'{path} is of an older training in this folder')
        elif is_whole(path):
            return Newest(path, tuple(passed_over))
        else:
            passed_over.append(f'{path} is damaged (its checksums differ)')
    return Newest(None, tuple(passed_over))


def checkpoint_to_go_on_from(folder: Path) -> tuple[Path | None, tuple[str, ...]]:
    """The checkpoint for ``--resume`` without a path, and lines for the user.

    Returns:
        Path of the checkpoint and lines; None for the path where nothing was saved yet, so that the training starts.

    Raises:
        UserError: The folder holds checkpoints, but none to go on from.
    """
    newest = newest_checkpoint(folder)
    lines = tuple(f'passed over: {line}' for line in newest.passed_over)
    if newest.path is None and newest.passed_over:
        more = f' (and {len(lines) - 1} more)' if len(lines) > 1 else ''
        first = newest.passed_over[0].removeprefix(f'{folder}{os.sep}')
        raise UserError(
            shortened(
                f"no checkpoint in '{folder}' to go on from: {first}{more}; start "
                'afresh without --resume, or name a checkpoint: --resume PATH',
                LINE,
            )
        )
    return newest.path, lines


def _iteration(content: dict) -> int | None:
    """The number of iterations of a checkpoint that a training can go on from; None for one of weights alone."""
    meta = content.get('meta')
    if not isinstance(meta, dict) or 'message_hub' not in content or 'optimizer' not in content:
        return None
    iteration = meta.get('iter')
    return iteration if isinstance(iteration, int) else None
