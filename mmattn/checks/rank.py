"""Checks of a distributed run by its first process, for all."""

from __future__ import annotations

import os
from collections.abc import Callable

from mmengine.dist import broadcast_object_list, is_main_process

from mmattn.engine.launch import LAUNCHER_VARIABLES
from mmattn.errors import UserError

# Set by tools/dist_train.sh and dist_test.sh, which have made the checks once for all processes of the machine.
CHECKED = 'MMATTN_CHECKED'


def checked() -> bool:
    """Whether the script that started this process has checked the run already."""
    return os.environ.get(CHECKED) == '1'


def is_first(launcher: str) -> bool:
    """Whether this process is the first of its run, before the processes know each other."""
    return launcher == 'none' or os.environ.get(LAUNCHER_VARIABLES[launcher][0], '0') == '0'


def by_first(check: Callable[[], None]) -> None:
    """Makes a check in the first process only; all processes raise the UserError that it raises there."""
    error: UserError | None = None
    said: list[str | None] = [None]
    if is_main_process():
        try:
            check()
        except UserError as raised:
            error, said = raised, [str(raised)]
    broadcast_object_list(said)
    if said[0] is not None:
        raise error or UserError(said[0])
