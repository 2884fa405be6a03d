"""Gathers the pages of the site in one folder: ``assemble.py FOLDER``.

These are the pages in docs/ and those that are elsewhere in the repository, where readers of the repository look for
them. A link between two pages stays one; a link to any other file of the repository becomes the file's path, as the
site does not have the file. What a link or an image names has to exist.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import sys
from functools import partial
from pathlib import Path

# A code block or span, which is left alone, or a link or image.
LINK = re.compile(
    r'^ *(?P<fence>```|~~~).*?^ *(?P=fence) *$|(?P<tick>`+)[^`]+(?P=tick)'
    r'|(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)',
    re.MULTILINE | re.DOTALL,
)
DOCUMENTED = re.compile(r'^::: mmattn\.(\w+)$', re.MULTILINE)


def pages(root: Path) -> dict[Path, Path]:
    """Each page of the site: its file in the repository -> its place in the site."""
    docs = root / 'docs'
    found = {path: path.relative_to(docs) for path in sorted(docs.rglob('*.md'))}
    for name in ('CHANGELOG', 'CONTRIBUTING', 'SECURITY'):
        found[root / f'{name}.md'] = Path(f'{name.lower()}.md')
    found[root / 'benchmarks/RESULTS.md'] = Path('benchmarks.md')
    for path in sorted(root.glob('configs/*/README.md')):
        found[path] = Path('papers', f'{path.parent.name}.md')
    return {path: place for path, place in found.items() if path.is_file()}


class Site:
    """The folder that is filled.

    Args:
        root: Folder of the repository.
        folder: Path of the folder; what is in it is removed.

    Attributes:
        faults: A line for each link that leads nowhere.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder = root, folder
        self.pages = pages(root)
        # Links to the README lead to the site's own first page.
        self.places = {**self.pages, root / 'README.md': Path('index.md')}
        self.faults: list[str] = []

    def write(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        for path, place in self.pages.items():
            text = LINK.sub(partial(self._link, path), path.read_text('utf-8'))
            self._new(place).write_text(text, 'utf-8')
        for style in self.root.glob('docs/site/*.css'):
            shutil.copyfile(style, self._new(Path('site', style.name)))

    def _new(self, place: Path) -> Path:
        """The path of a file to write, whose folder is made."""
        path = self.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _link(self, page: Path, match: re.Match) -> str:
        """A link of a page, or code, as the site has it."""
        text, target = match['text'], match['target']
        if target is None or '://' in target or target.startswith(('#', 'mailto:')):
            return match[0]
        name, _, anchor = target.partition('#')
        file = (page.parent / name).resolve()
        if not file.exists():
            self.faults.append(f'{page.relative_to(self.root)}: there is no {target}')
            return match[0]
        if match['image'] or file in self.places:
            place = self._image(file) if match['image'] else self.places[file]
            address = Path(os.path.relpath(place, self.pages[page].parent)).as_posix()
            return f'{match["image"]}[{text}]({address}{anchor and "#" + anchor})'
        # the name of a file is code, and other words get the file's path
        return f'{text} (`{file.relative_to(self.root).as_posix()}`)' if ' ' in text else f'`{text.strip("`")}`'

    def _image(self, file: Path) -> Path:
        """Copies an image; its place in the site."""
        docs = self.root / 'docs'
        place = file.relative_to(docs if file.is_relative_to(docs) else self.root)
        shutil.copyfile(file, self._new(place))
        return place


def undocumented(root: Path) -> list[str]:
    """A line for each public name of mmattn that the API reference has not exactly once, and each that is none."""
    public = next(
        ast.literal_eval(node.value)
        for node in ast.parse((root / 'mmattn/__init__.py').read_text('utf-8')).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '__all__'
    )
    named = [name for page in root.glob('docs/api/*.md') for name in DOCUMENTED.findall(page.read_text('utf-8'))]
    return [
        f'docs/api: mmattn.{name} is there {named.count(name)} times, not once'
        if name in public
        else f'docs/api: mmattn.{name} is no public name'
        for name in sorted({*public, *named})
        if name not in public or named.count(name) != 1
    ]


def unlisted(root: Path) -> list[str]:
    """A line for each page that the navigation lacks, and for each entry of it that is no page."""
    places = {place.as_posix() for place in pages(root).values()}
    listed = set(re.findall(r'"([^"]+\.md)"', (root / 'zensical.toml').read_text('utf-8')))
    return [f'zensical.toml: nav lacks {place}' for place in sorted(places - listed)] + [
        f'zensical.toml: {place} of nav is no page' for place in sorted(listed - places)
    ]


def main(folder: Path) -> int:
    root = Path(__file__).resolve().parents[2]
    site = Site(root, folder)
    site.write()
    faults = site.faults + undocumented(root) + unlisted(root)
    for fault in faults:
        print(f'error: {fault}', file=sys.stderr)
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main(Path(sys.argv[1]).resolve()))
