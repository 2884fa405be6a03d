"""Writes a comparison in the format that a file's suffix names."""
from __future__ import annotations

from pathlib import Path

from mmattn.engine.preflight import check_output
from mmattn.errors import UserError
from mmattn.files import atomic_path

from .comparison import Comparison
from .page import make_page
from .text import make_csv, make_markdown

FORMATS = {'.html': make_page, '.md': make_markdown, '.csv': make_csv}


def check_outputs(paths: list[Path]) -> None:
    """Raises UserError if the suffix of a path names no format, or nothing can be written there."""
    for path in paths:
        if path.suffix not in FORMATS:
            raise UserError(f"--out '{path}': a comparison is written as {', '.join(FORMATS)}; name a file that ends "
                            'so')
        check_output(path)


def write(comparison: Comparison, path: Path) -> None:
    """Writes the file, which appears only when it is complete."""
    with atomic_path(path) as temporary:
        temporary.write_text(FORMATS[path.suffix](comparison), encoding='utf-8')
