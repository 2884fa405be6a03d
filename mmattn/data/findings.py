"""Problems of a dataset, by kind."""
from collections.abc import Iterator


class Findings:
    """Collects problems by kind and lists them, few of each kind at first.

    Example:
        >>> findings = Findings()
        >>> findings.add('images missing', 'a.jpg')
        >>> print(*findings.lines(), sep='\\n')
        images missing: 1
          a.jpg
    """

    def __init__(self) -> None:
        self._details: dict[str, list[str]] = {}

    def add(self, kind: str, detail: str) -> None:
        self._details.setdefault(kind, []).append(detail)

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
