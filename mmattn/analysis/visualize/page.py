"""``index.html``: the pictures side by side, in a page that needs nothing but the files beside it."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from urllib.parse import quote

from mmattn.files import atomic_path

STYLE = """
body { margin: 0 auto; padding: 1rem 1.5rem 3rem; max-width: 110rem; background: #fff; color: #222;
       font: 16px/1.5 system-ui, 'DejaVu Sans', sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: .5rem 0; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; border-top: 1px solid #ccc;
     padding-top: 1rem; }
p, figcaption { max-width: 60rem; }
nav a { margin-right: 1rem; display: inline-block; }
.side { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start; }
figure { margin: 0; flex: 1 1 min(30rem, 100%); max-width: 56rem; }
figure img { width: 100%; height: auto; display: block; }
figure.wide { flex-basis: 100%; max-width: 100%; } figure.wide img { width: auto; max-width: 100%; }
figcaption { font-size: .9rem; color: #444; margin-top: .3rem; }
.table { overflow-x: auto; } table { border-collapse: collapse; overflow-wrap: normal; font-size: .95rem; }
th, td { padding: .25rem .8rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child, th:last-child, td:last-child { text-align: left; }
"""


@dataclass
class Picture:
    """A PNG and what is to be seen on it.

    Args:
        file: relative to the page.
        title: short.
        caption: how to read it.
        size: width and height in pixels.
    """
    file: str
    title: str
    caption: str
    size: tuple[int, int]


@dataclass
class Section:
    """Pictures that belong together.

    Args:
        title: of an image, its name.
        pictures: to stand side by side.
        text: paragraphs before them.
        header, rows: of a table after them.
        files: raw numbers to link to, relative to the page.
    """
    title: str
    pictures: list[Picture] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    header: Sequence[str] = ()
    rows: list[Sequence[str]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


def write_page(path: Path, title: str, facts: Sequence[str], sections: Sequence[Section]) -> None:
    """Writes the page atomically.

    Args:
        path: of the page.
        title: of the page.
        facts: lines below it.
        sections: in order.
    """
    links = ''.join(f'<a href="#s{i}">{escape(section.title)}</a>' for i, section in enumerate(sections))
    body = '\n'.join(_section(i, section) for i, section in enumerate(sections))
    page = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{escape(title)}</h1>
{''.join(f'<p>{escape(fact)}</p>' for fact in facts)}
<nav>{links}</nav>
{body}
</body>
</html>
"""
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding='utf-8')


def _section(number: int, section: Section) -> str:
    parts = [f'<section id="s{number}">', f'<h2>{escape(section.title)}</h2>']
    parts += [f'<p>{escape(paragraph)}</p>' for paragraph in section.text]
    if section.pictures:
        alone = len(section.pictures) == 1
        parts += ['<div class="side">', *(_figure(picture, alone) for picture in section.pictures), '</div>']
    if section.rows:
        parts += ['<div class="table"><table>', _row('th', section.header),
                  *(_row('td', row) for row in section.rows), '</table></div>']
    if section.files:
        links = ', '.join(f'<a href="{quote(file)}">{escape(file)}</a>' for file in section.files)
        parts.append(f'<p>The numbers: {links}</p>')
    return '\n'.join([*parts, '</section>'])


def _figure(picture: Picture, alone: bool) -> str:
    width, height = picture.size
    wide = ' class="wide"' if alone or width > 2.6 * height else ''
    return (f'<figure{wide}><a href="{quote(picture.file)}"><img src="{quote(picture.file)}" '
            f'alt="{escape(picture.title, quote=True)}" width="{width}" height="{height}"></a>'
            f'<figcaption><b>{escape(picture.title)}.</b> {escape(picture.caption)}</figcaption></figure>')


def _row(cell: str, values: Sequence[str]) -> str:
    return '<tr>' + ''.join(f'<{cell}>{escape(value)}</{cell}>' for value in values) + '</tr>'
