"""Problems of a dataset, by kind."""

from collections.abc import Iterator

from mmattn.data.text import printable

STOPS, LEFT_OUT, DOUBTFUL = 'stops', 'left out', 'doubtful'


class Findings:
    """Collects problems by kind and lists them, few of each kind at first.

    A kind of problem does one of three things to a run: it stops it, which would raise, train on nothing or be wrong in
    silence; or it concerns single objects that a run leaves out; or it is doubtful, and a run goes on all the same.

    Examples:
        >>> findings = Findings()
        >>> findings.add('images missing', 'a.jpg')
        >>> print(*findings.lines(), sep='\\n')
        images missing: 1
          a.jpg
    """

    def __init__(self) -> None:
        self._details: dict[str, list[str]] = {}
        self._effects: dict[str, str] = {}

    def add(self, kind: str, detail: str, *, left_out: bool = False, doubtful: bool = False) -> None:
        """Adds a problem.

        Args:
            kind: What is wrong, in the plural.
            detail: Where, in words that a user finds it by.
            left_out: Whether a run leaves such an object out and goes on; otherwise it must not start.
            doubtful: Whether a run goes on with it, and may well be right.
        """
        effect = LEFT_OUT if left_out else DOUBTFUL if doubtful else STOPS
        self._details.setdefault(kind, []).append(printable(detail))
        if effect == STOPS or kind not in self._effects:
            self._effects[kind] = effect

    def kinds(self, *, left_out: bool = False, doubtful: bool = False) -> dict[str, list[str]]:
        """Details by kind: of the problems that stop a run; or of those that it leaves out, or that are doubtful."""
        effect = LEFT_OUT if left_out else DOUBTFUL if doubtful else STOPS
        return {kind: details for kind, details in self._details.items() if self._effects[kind] == effect}

    def count(self, kind: str) -> int:
        return len(self._details.get(kind, ()))

    def total(self) -> int:
        return sum(map(len, self._details.values()))

    def lines(self, limit: int | None = None, more: str = '--all lists them') -> Iterator[str]:
        """The report, a line at a time.

        Args:
            limit: The most problems that are listed of each kind; None lists them all.
            more: What lists the others.
        """
        for kind, details in self._details.items():
            yield f'{kind}: {len(details)}'
            yield from (f'  {detail}' for detail in details[:limit])
            if limit is not None and len(details) > limit:
                yield f'  … and {len(details) - limit} more ({more})'
