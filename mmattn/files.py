"""Files that appear only when they are complete."""
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to, which is renamed to `path` at the end.

    It keeps the suffix, from which many writers tell the format. After an exception nothing is
    left of it, and `path` is as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.stem}.{os.getpid()}{path.suffix}')
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(content: object, path: str | Path) -> None:
    """Writes JSON atomically; NaN and infinity, which JSON lacks, become null."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(_finite(content), indent=2) + '\n', encoding='utf-8')


def _finite(content: object) -> object:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
