"""Values in a JSON file of annotations."""

import math
from typing import Any, TypeGuard

NUMBERS = frozenset((int, float))  # and not bool, which Python takes for 0 and 1

_LARGEST_ID = 2**63 - 1


def is_number(value: Any) -> TypeGuard[float]:
    """Whether this is a finite number that a float can hold, and neither true nor false."""
    try:
        return type(value) in NUMBERS and math.isfinite(value)
    except OverflowError:  # 10**400
        return False


def is_id(value: object) -> bool:
    """Whether this can be an id: text, or a number in 64 bits."""
    return type(value) is str or (is_number(value) and abs(value) <= _LARGEST_ID)


def nested(value: object, levels: int) -> bool:
    """Whether lists and objects are inside each other deeper than so many levels; never recursive itself."""
    layer = [value]
    for _ in range(levels):
        layer = [
            child
            for each in layer
            if isinstance(each, (dict, list))
            for child in (each.values() if isinstance(each, dict) else each)
            if isinstance(child, (dict, list))
        ]
        if not layer:
            return False
    return True
