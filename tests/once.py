"""What the libraries do again and again with the same result, and the tests' processes do once."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import mmengine.config.utils
from mmengine.config import Config
from yapf.yapflib import yapf_api


def remember() -> None:
    """Has this process, and those that are forked from it, remember metafiles that were read and configs in one style.

    For each base that a config has of a library, mmengine reads all metafiles of that library: some 0.4 seconds. It
    writes the same config five times in each training, for which yapf takes as long.
    """
    mmengine.config.utils.load = functools.cache(mmengine.config.utils.load)
    in_style = yapf_api.FormatCode

    @functools.cache
    def once(text: str, style: tuple, others: tuple) -> tuple[str, bool]:
        return in_style(text, style_config=dict(style), **dict(others))

    yapf_api.FormatCode = lambda text, style_config, **others: once(
        text, tuple(style_config.items()), tuple(others.items())
    )


def warm_up(configs: Iterable[Path]) -> None:
    """Reads configs, so that what they have of libraries is known."""
    for path in configs:
        with suppress(Exception):  # of a library that is not installed
            assert Config.fromfile(path).pretty_text
