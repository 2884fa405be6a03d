"""Checks a site that was built: ``check.py FOLDER``.

Each link, image, style sheet and script of a page has to be in the folder, and each anchor on the page that it is on;
nothing but links for readers may lead to a host, so that the site is whole without a network. References of the API
pages have to be resolved.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Elements that load what they name, and the attribute that names it.
LOADING = {'img': 'src', 'script': 'src', 'link': 'href', 'iframe': 'src', 'source': 'src'}
# Kinds of <link> that are for search engines and readers alone.
NAMING = {'canonical', 'next', 'prev', 'alternate'}


class Page(HTMLParser):
    """What one page has and names.

    Attributes:
        anchors: Names that a link may have behind #.
        links: Addresses that readers can follow.
        loaded: Addresses of what a browser loads with the page.
        unresolved: Names of code that a reference did not find.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.unresolved: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or '' for name, value in attrs}
        self.anchors |= {given[name] for name in ('id', 'name') if given.get(name)}
        if tag == 'a' and 'href' in given:
            self.links.append(given['href'])
        elif tag == 'autoref':
            self.unresolved.append(given.get('identifier', '?'))
        elif LOADING.get(tag) in given and not NAMING & {*given.get('rel', '').split()}:
            self.loaded.append(given[LOADING[tag]])


def faults(folder: Path) -> list[str]:
    """A line for each thing that is not as it should be."""
    files = [path for path in sorted(folder.rglob('*.html')) if path.name != '404.html']  # which is the theme's
    pages = {path: Page(path.read_text('utf-8')) for path in files}
    found = [] if pages else [f'{folder} has no page']
    for path, page in pages.items():
        name = path.relative_to(folder)
        found += [f'{name}: no {reference} for a reference' for reference in page.unresolved]
        for address in page.loaded:
            if urlsplit(address).netloc:
                found.append(f'{name}: loads {address}')
        for address in [*page.links, *page.loaded]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            file = target(path, unquote(parts.path), folder)
            if not file.is_file():
                found.append(f'{name}: there is no {address}')
            elif parts.fragment and file in pages and unquote(parts.fragment) not in pages[file].anchors:
                found.append(f'{name}: there is no anchor {address}')
    return found


def target(page: Path, address: str, folder: Path) -> Path:
    """The file that an address on a page names."""
    if not address:
        return page
    file = folder / address.lstrip('/') if address.startswith('/') else page.parent / address
    return (file / 'index.html' if file.is_dir() else file).resolve()


def main(folder: Path) -> int:
    found = faults(folder)
    for fault in found:
        print(f'error: {fault}', file=sys.stderr)
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main(Path(sys.argv[1]).resolve()))
