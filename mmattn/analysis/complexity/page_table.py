"""A generated table in a page of Markdown, between two comments that mark its place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmattn.errors import UserError
from mmattn.files import atomic_path


@dataclass(frozen=True)
class PageTable:
    """A table and its place.

    Attributes:
        page: Path of the Markdown file.
        text: Table in Markdown, without the markers.
        name: Name in the markers ``<!-- NAME:begin -->`` and ``<!-- NAME:end -->``.
        unexplained: Names of the rows that differ from what is published without a note that says why.
    """

    page: Path
    text: str
    name: str = 'complexity'
    unexplained: tuple[str, ...] = ()

    def is_current(self) -> bool:
        """Whether the page holds this text.

        Raises:
            UserError: The page lacks the markers.
        """
        _, held, _ = self._split()
        return held.strip() == self.text.strip()

    def write(self) -> None:
        """Puts the text between the page's markers.

        Raises:
            UserError: The page lacks the markers.
        """
        before, _, after = self._split()
        begin, end = self._markers()
        with atomic_path(self.page) as path:
            path.write_text(f'{before}{begin}\n{self.text}\n{end}{after}', encoding='utf-8')

    def _markers(self) -> tuple[str, str]:
        return f'<!-- {self.name}:begin -->', f'<!-- {self.name}:end -->'

    def _split(self) -> tuple[str, str, str]:
        text = self.page.read_text(encoding='utf-8') if self.page.is_file() else ''
        first, last = self._markers()
        before, begin, rest = text.partition(first)
        held, end, after = rest.partition(last)
        if not begin or not end:
            raise UserError(f'{self.page} lacks the lines {first} and {last}, between which the table goes')
        return before, held, after
