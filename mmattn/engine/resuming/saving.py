"""What stands between mmengine's saving of checkpoints and the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend
from mmengine.runner import Runner


class SavingRunner:
    """A runner that saves checkpoints by a function, for what mmengine's checkpoint hook does with its runner.

    Args:
        runner: Runner, whose other attributes it has.
        save: Function that saves the checkpoint of a name, with the options of ``Runner.save_checkpoint``.
    """

    def __init__(self, runner: Runner, save: Callable[..., None]) -> None:
        self._runner, self._save = runner, save

    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        file_client_args: dict | None = None,
        backend_args: dict | None = None,
        **options: Any,
    ) -> None:
        if is_main_process():
            self._save(filename, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runner, name)


class DeferredRemoval:
    """A file backend that only notes in `paths` what it is asked to remove.

    Args:
        backend: Backend that does all else.
    """

    def __init__(self, backend: LocalBackend) -> None:
        self._backend = backend
        self.paths: list[str] = []

    def remove(self, path: str) -> None:
        self.paths.append(path)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


@contextmanager
def constant_text(cfg: Config, text: str) -> Iterator[None]:
    """Has a config give a text that it was formatted to before, which takes a second each time.

    Args:
        cfg: Config, unchanged since it was formatted.
        text: Its ``pretty_text``.
    """
    kind = type(cfg)
    before = kind.pretty_text
    kind.pretty_text = property(lambda self: text if self is cfg else before.fget(self))
    try:
        yield
    finally:
        kind.pretty_text = before
