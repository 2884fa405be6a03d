"""A setting that was chosen for a data set, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Choice:
    """A setting and its reason.

    Args:
        name: What is chosen, in a word or two.
        value: Value of the setting, as the config has it.
        reason: Why, in a line.
        shown: The value in words; '' for the value itself.
    """

    name: str
    value: Any
    reason: str
    shown: str = ''

    def line(self) -> str:
        """The choice in a line, in columns that align below each other."""
        return f'  {self.name:<14} {self.shown or self.value!s:<28} {self.reason}'
