"""Problems of a dataset, by kind."""
from collections.abc import Iterator


class Findings:
    """Collects problems by kind and lists them, few of each kind at first.

    A kind of problem either stops a run, which would raise, train on nothing or be wrong in silence, or concerns single
    objects that a run leaves out.

    Example:
        >>> findings = Findings()
        >>> findings.add('images missing', 'a.jpg')
        >>> print(*findings.lines(), sep='\\n')
        images missing: 1
          a.jpg
    """

    def __init__(self) -> None:
        self._details: dict[str, list[str]] = {}
        self._left_out: set[str] = set()

    def add(self, kind: str, detail: str, *, left_out: bool = False) -> None:
        """Adds a problem.

        Args:
            kind: What is wrong, in the plural.
            detail: Where, in words that a user finds it by.
            left_out: Whether a run leaves such an object out and goes on; otherwise it must not start.
        """
        self._details.setdefault(kind, []).append(detail)
        if left_out:
            self._left_out.add(kind)

    def kinds(self, *, left_out: bool) -> dict[str, list[str]]:
        """Details by kind, of the problems that a run leaves out, or of those that stop it."""
        return {kind: details for kind, details in self._details.items() if (kind in self._left_out) == left_out}

    def count(self, kind: str) -> int:
        return len(self._details.get(kind, ()))

    def total(self) -> int:
        return sum(map(len, self._details.values()))

    def lines(self, limit: int | None = None) -> Iterator[str]:
        """The report, a line at a time.

        Args:
            limit: The most problems that are listed of each kind; None lists them all.
        """
        for kind, details in self._details.items():
            yield f'{kind}: {len(details)}'
            yield from (f'  {detail}' for detail in details[:limit])
            if limit is not None and len(details) > limit:
                yield f'  … and {len(details) - limit} more (--all lists them)'
