"""What the papers print of the network of a run, found by the name of its config."""
from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

from mmattn.analysis.complexity import Row


def find_published(config: Path, rows: Sequence[Row], root: Path) -> list[Row]:
    """The rows with figures or accuracies for a config of the name of `config`.

    Args:
        config: as the training left it in its work folder.
        rows: of the metafiles.
        root: of the repository, where ``configs/<name>.py`` may be a front door: a file that only names another.
    """
    targets = {config.stem}
    front_door = root / 'configs' / config.name
    if front_door.is_file():
        targets.add(_only_base(front_door))
    return [row for row in rows if row.config and row.config.stem in targets and (row.figures or row.accuracy)]


def _only_base(path: Path) -> str | None:
    """The stem of the file that a config consists of, if it is one assignment to ``_base_`` and no more."""
    statements = [node for node in ast.parse(path.read_text('utf-8')).body
                  if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
    if len(statements) != 1 or not isinstance(statements[0], ast.Assign):
        return None
    [statement] = statements
    is_base = isinstance(statement.targets[0], ast.Name) and statement.targets[0].id == '_base_'
    value = statement.value
    return Path(value.value).stem if is_base and isinstance(value, ast.Constant) else None
