"""Content of a page: sections of text, tables and pictures, without any HTML."""

from __future__ import annotations

from dataclasses import dataclass

NONE = '–'


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Args:
        text: Content of the cell.
        strong: Whether the cell is set in bold type.
        detail: Text that is shown in small type below the content, '' for none.
        shade: How strongly the cell is coloured, from 0 to 1, as in the picture of a matrix.
    """

    text: str = NONE
    strong: bool = False
    detail: str = ''
    shade: float = 0


@dataclass(frozen=True)
class Badge:
    """A short mark beside the name of a row.

    Args:
        text: The mark.
        tone: Colour of the mark: 'plain', 'warning' or 'error'.
    """

    text: str
    tone: str = 'plain'


@dataclass(frozen=True)
class TableRow:
    """One row of a table.

    Args:
        name: Name of the row, in the first column.
        cells: Cells of the other columns.
        series: Number of the series in the page's charts that the row is about, None for no series.
        badges: Marks below the name.
        detail: Text that is shown in small type below the name, '' for none.
    """

    name: str
    cells: tuple[Cell, ...]
    series: int | None = None
    badges: tuple[Badge, ...] = ()
    detail: str = ''


@dataclass(frozen=True)
class Table:
    """A table with named rows.

    Args:
        title: Heading of the table.
        caption: How to read the table, '' if there is nothing to say.
        columns: Names of all columns, that of the rows' names first.
        rows: The rows, with one cell less than there are columns.
        words: Whether the cells are words, aligned at the left, rather than numbers.
    """

    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    words: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture in a page, which a click enlarges: an SVG inside the page, or a file beside it.

    Args:
        title: Heading of the picture.
        caption: How to read the picture, '' if there is nothing to say.
        svg: The picture as an SVG element, as of `mmattn.analysis.charts.to_svg`; '' for a file.
        file: Path of the picture relative to the page; '' for an SVG.
        size: Width and height of the file in pixels.
    """

    title: str
    caption: str = ''
    svg: str = ''
    file: str = ''
    size: tuple[int, int] = (0, 0)

    @property
    def wide(self) -> bool:
        """Whether the picture is too wide to share a line with others."""
        return self.size[0] > 1.7 * self.size[1]


@dataclass(frozen=True)
class Section:
    """A part of a page under one heading; what is empty is left out.

    Args:
        title: Heading of the section.
        text: Paragraphs below the heading.
        switches: Whether to show a switch for each series of the page, which hides and shows it in all charts.
        pictures: Pictures, side by side where there is room.
        table: A table; its own title is not shown, its caption is a further paragraph.
        items: Entries of a list.
        files: Paths of files with the numbers behind the section, relative to the page, to link to.
        beside: Whether the table is beside the picture where there is room, rather than below.
    """

    title: str
    text: tuple[str, ...] = ()
    switches: bool = False
    pictures: tuple[Picture, ...] = ()
    table: Table | None = None
    items: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    beside: bool = False


@dataclass(frozen=True)
class Page:
    """A page.

    Args:
        title: Title and first heading of the page.
        command: The tool that made the page, for the line at its end.
        sections: Parts of the page, in order.
        facts: Paragraphs below the title.
        series: Names of the series that all charts of the page share, by their number.
        contents: Whether to show links to the sections below the title.
    """

    title: str
    command: str
    sections: tuple[Section, ...]
    facts: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    contents: bool = False
