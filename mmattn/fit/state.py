"""What a work folder was made for, so that the same command goes on with it and another one does not spoil it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from mmattn.data.text import few
from mmattn.errors import UserError
from mmattn.files import plain, write_json

from .settings import Options

NAME = 'fit.json'
# Options of which another value is no other training.
FREE = ('work_dir', 'gpus')


def read_state(folder: Path) -> dict | None:
    """What was noted in a work folder; None if nothing was, or it is damaged."""
    try:
        content = json.loads((folder / NAME).read_text('utf-8'))
        return content if isinstance(content, dict) and isinstance(content.get('options'), dict) else None
    except (OSError, ValueError):
        return None


def write_state(folder: Path, options: Options, digest: str, choices: dict[str, str]) -> None:
    """Notes options, data and choices in a work folder.

    Args:
        folder: The work folder.
        options: What the command line asked for.
        digest: Hash of the data set, as of `mmattn.fit.parts.digest`.
        choices: What was chosen, in words, by name.
    """
    write_json(dict(options=_asked(options), data=digest, choices=choices), folder / NAME)


def check_same(state: dict, options: Options, digest: str) -> None:
    """Raises UserError if a work folder was made with other options or of other data."""
    before, now = state['options'], _asked(options)
    others = [key for key in now if before.get(key) != now[key]]
    hint = 'train afresh with --force, or into another folder with --name'
    if others:
        raise UserError(f"'{options.work_dir}' holds a training with another {few(map(_option, others))}; {hint}")
    if state.get('data') != digest:
        raise UserError(f"'{options.work_dir}' holds a training of the data as they were; they have changed: {hint}")


def _option(key: str) -> str:
    """How the command line calls an option."""
    return 'data set' if key == 'data' else '--lr' if key == 'rate' else '--' + key.replace('_', '-')


def _asked(options: Options) -> dict:
    found = {
        key: plain(str(value) if isinstance(value, Path) else value)
        for key, value in asdict(options).items()
        if key not in FREE
    }
    found['data'] = str(options.data.resolve())
    return found
