"""Libraries that an environment does not have."""

from __future__ import annotations

import re
from pathlib import Path
from traceback import walk_tb

TESTS = Path(__file__).parent
# What mmengine says of a config with a base, or a type, of a library.
OF_A_CONFIG = re.compile(r'\w+ is not installed, please install .*')


def for_want_of_a_library(error: BaseException | None) -> bool:
    """Whether an error comes from an absent library that a file of the tests imports, or that a config names."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError):
            *_, (frame, _) = walk_tb(error.__traceback__)
            if Path(frame.f_code.co_filename).is_relative_to(TESTS) or OF_A_CONFIG.fullmatch(str(error)):
                return True
        error = error.__cause__ or error.__context__
    return False
