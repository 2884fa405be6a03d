"""What was compared between an exported file and its model, and whether it is near enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Check:
    """One comparison.

    Args:
        what: What was compared, in words.
        value: What was found.
        limit: What is allowed; None: anything.
        least: Whether `limit` is the least that is allowed, rather than the most.
    """

    what: str
    value: float
    limit: float | None
    least: bool = False

    @property
    def passed(self) -> bool:
        """Whether the value is allowed. NaN is not."""
        if self.limit is None:
            return True
        return self.value >= self.limit if self.least else self.value <= self.limit

    def line(self) -> str:
        """The comparison in a line."""
        sign = '>=' if self.least else '<='
        value = f'{100 * self.value:.3f} %' if self.least else f'{self.value:.2g}'
        limit = ' (any is taken)' if self.limit is None else f' ({sign} {100 * self.limit:.4g} %)' if self.least else ''
        if self.limit is not None and not self.least:
            limit = f' ({sign} {self.limit:g})'
        return f'{self.what}: {value}{limit}{"" if self.passed else "  TOO FAR"}'


@dataclass(frozen=True)
class Verification:
    """All comparisons of a file.

    Args:
        checks: Comparisons.
        images: Number of images that were compared.
        source: Where the images are from.
        notes: What was not compared, and why.
    """

    checks: Sequence[Check]
    images: int
    source: str
    notes: Sequence[str] = ()

    @property
    def passed(self) -> bool:
        """Whether the file is near enough to its model."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    def record(self) -> dict:
        """The comparisons in the form of JSON."""
        checks = [dict(asdict(check), passed=check.passed) for check in self.checks]
        return dict(passed=self.passed, images=self.images, source=self.source, checks=checks, notes=list(self.notes))
