"""Errors of libraries as one line, with the key of the config that they are about where it is known."""

from __future__ import annotations

import errno
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from mmengine.config import Config

from mmattn.errors import ProcessError, RunError, UserError, kind_and_text, one_line

from .types import type_name

SHOWN = 'MMATTN_DEBUG=1 shows where it was raised'
# What PyTorch puts before the traceback of an error in a process that loads data.
WORKER = 'Original Traceback (most recent call last):'
# What PyTorch says where such a process is gone: which it was, and how it ended, where that is known.
LOADER_GONE = re.compile(r'DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\) (?:exited|is killed by signal: ([^.]*))')
# Numbers of the errors of a disk, or of a quota, that takes no more, and of a file that may not grow any more.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What PyTorch's writer of files says in the same case.
WRITER = re.compile(
    r'PytorchStreamWriter failed writing|inline_container.*(file write failed|unexpected pos)', re.DOTALL
)
# What mmengine's text for an unknown type ends with.
ADVICE = '. Please check whether'
# mmengine's functions that build something, and what they call its settings.
BUILDERS = {'build_from_cfg': 'cfg', 'build_dataloader': 'dataloader'}


def cause(error: BaseException) -> str:
    """Class and text of an exception in one line; of an error in a process that loads data, what was raised there."""
    if isinstance(error, UserError):
        return one_line(error)
    _, found, trace = str(error).partition(WORKER)
    lines = [line.strip() for line in trace.splitlines() if line.strip()]
    if found and lines:
        return lines[-1][:300]
    if not str(error).strip() and error.__traceback__ is not None:  # an assert says nothing but its own line
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f'{type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {place.line}'[:300]
    return kind_and_text(error).partition(ADVICE)[0]


def loader_killed(error: BaseException | None) -> ProcessError | None:
    """The error to tell for one that is raised where a process that loads data was killed; None for others."""
    for each in _with_causes(error):
        found = LOADER_GONE.search(str(each)) if isinstance(each, RuntimeError) else None
        if found:
            how = f' by the system ({found[2].strip()})' if found[2] else ''
            return ProcessError(
                f'a process that loads data was ended{how} (process {found[1]}); usual causes are that the machine has '
                'too little memory, or too little shared memory (df -h /dev/shm; in Docker --shm-size=8g or --ipc=host)'
                ': use a smaller num_workers or batch_size in train_dataloader and val_dataloader'
            )
    return None


def cannot_write(error: BaseException | None) -> RunError | None:
    """The error to tell for one that is raised where a disk takes no more; None for others."""
    for each in _with_causes(error):
        if isinstance(each, OSError) and each.errno in NO_ROOM:
            place = f"'{each.filename}'" if each.filename else 'a file'
            return RunError(f'cannot write {place} ({each.strerror}); make room, or write elsewhere, and run it again')
        if isinstance(each, RuntimeError) and WRITER.search(str(each)):
            return RunError('cannot write a file (it is full there); make room, or write elsewhere, and run it again')
    return None


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, what it was raised from or during, and so on."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:  # mmengine's errors may be each other's context
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def cannot_be_built(error: Exception, cfg: Config) -> UserError:
    """The error to raise for one that was raised while what a config describes was built.

    Args:
        error: Error as it was raised, with its traceback.
        cfg: Config that was built.
    """
    if isinstance(error, UserError):
        return error
    key = key_of(error, cfg)
    what = f'{key} of the config' if key else 'what the config describes'
    return UserError(f'{what} cannot be built ({cause(error)}); correct it there ({SHOWN})')


def key_of(error: BaseException, cfg: Config) -> str | None:
    """The dotted key of the innermost dict that mmengine was building when an error was raised; None if unknown."""
    for settings in reversed(list(_built(error.__traceback__))):
        name = type_name(settings)
        found = [(key, node) for key, node in nodes(cfg) if type_name(node) == name]
        if found:
            return max(found, key=lambda item: _agreement(item[1], settings))[0]
    return None


def nodes(cfg: Config) -> Iterator[tuple[str, dict]]:
    """All dicts of a config below its top level, inside lists too, with their dotted keys."""
    for name, value in cfg.items():
        yield from _nodes(value, name)


def _nodes(node: object, key: str) -> Iterator[tuple[str, dict]]:
    if isinstance(node, dict):
        yield key, node
    parts = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, (list, tuple)) else ()
    for name, part in parts:
        yield from _nodes(part, f'{key}.{name}')


def _built(trace: TracebackType | None) -> Iterator[dict]:
    """Settings of what mmengine's registries and its runner were building, the outermost first."""
    while trace is not None:
        frame = trace.tb_frame
        settings = frame.f_locals.get(BUILDERS.get(frame.f_code.co_name, ''))
        if isinstance(settings, dict) and ('type' in settings or frame.f_code.co_name == 'build_dataloader'):
            yield settings
        trace = trace.tb_next


def _agreement(node: dict, settings: dict) -> int:
    return sum(repr(node.get(name)) == repr(value) for name, value in settings.items())
