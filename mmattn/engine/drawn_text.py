"""Text in pictures: class names in any script, with fonts that have its letters, or transliterated.

Pages have no such trouble, as a browser looks for fonts itself.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

try:
    from anyascii import anyascii
except ModuleNotFoundError:
    anyascii = None  # type: ignore[assignment]  # a package that not everybody has

FAMILY = 'DejaVu Sans'  # which comes with matplotlib
LENGTH = 60  # of a name
_said: set[str] = set()


def drawable(text: str, families: Iterable[str] = (), length: int = LENGTH) -> str:
    """A text in one line of letters that a picture can show.

    Args:
        text: Any text. Letters that neither DejaVu Sans nor the other fonts have are transliterated, which a line on
            stderr says.
        families: Further fonts in which the text will be drawn, as of `families_for`.
        length: Most letters; of a longer text the middle is left out, as names may end with a score.
    """
    text = _one_line(text)
    text = text if len(text) <= length else f'{text[: length - 10]}…{text[-9:]}'
    known = _letters(FAMILY).union(*map(_letters, families))
    if _shaped(text) and not _can_shape():
        shown = ''.join(_transliterated(letter) for letter in text)
    else:
        shown = ''.join(letter if ord(letter) in known else _transliterated(letter) for letter in text)
    if shown != text and text not in _said:
        if not _said:
            print(
                f"note: no font for all letters of '{text}', so pictures show '{shown}'; install one, for instance "
                'with: apt-get install fonts-noto',
                file=sys.stderr,
            )
        _said.add(text)
    return shown


def without_formulas(text: str) -> str:
    """The same text for matplotlib, which else takes what is between two dollar signs for a formula."""
    return text.replace('$', r'\$')


@lru_cache(maxsize=1024)
def families_for(text: str) -> tuple[str, ...]:
    """DejaVu Sans, and of the installed fonts as few as have the other letters of a text, for matplotlib's fallback."""
    found, missing = [FAMILY], _missing(text)
    for family in _installed() if missing else ():
        has = missing & _letters(family)
        if has:
            found.append(family)
            missing -= has
    return tuple(found)


def in_one_font(texts: Iterable[str], length: int = LENGTH) -> tuple[list[str], str]:
    """Texts as Pillow can draw them, and the path of their font: DejaVu Sans if none has all letters."""
    texts = list(texts)
    if any(map(_missing, texts)):
        letters = {ord(letter) for text in texts for letter in _one_line(text)}
        for family in _installed():
            if letters <= _letters(family):
                return [drawable(text, [family], length) for text in texts], _path(family)
    return [drawable(text, (), length) for text in texts], _path(FAMILY)


def _one_line(text: str) -> str:
    text = unicodedata.normalize('NFC', ' '.join(str(text).split()))
    return ''.join(letter if unicodedata.category(letter)[0] != 'C' else '\N{REPLACEMENT CHARACTER}' for letter in text)


def _missing(text: str) -> set[int]:
    return {ord(letter) for letter in _one_line(text)} - _letters(FAMILY)


def _shaped(text: str) -> bool:
    """Whether letters change with their neighbours or run from right to left."""
    return any(
        unicodedata.bidirectional(letter) in ('R', 'AL') or unicodedata.category(letter) in ('Mn', 'Mc')
        for letter in text
    )


def _can_shape() -> bool:
    import matplotlib

    return tuple(map(int, matplotlib.__version__.split('.')[:2])) >= (3, 11)


def _transliterated(letter: str) -> str:
    if letter.isascii():
        return letter
    known = (
        anyascii(letter)
        if anyascii is not None
        else ''.join(part for part in unicodedata.normalize('NFKD', letter) if part.isascii())
    )
    return known or ('' if unicodedata.combining(letter) else f'U+{ord(letter):04X} ')


@lru_cache
def _installed() -> tuple[str, ...]:
    """Families of the upright fonts that are installed, plain ones first."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    known = {entry.fname for entry in fontManager.ttflist}
    for path in sorted(set(findSystemFonts()) - known):  # installed since matplotlib made its list
        with suppress(OSError, RuntimeError, ValueError):  # a damaged font
            fontManager.addfont(path)
    names = {
        entry.name
        for entry in fontManager.ttflist
        if entry.style == 'normal'
        and not entry.name.startswith(('DejaVu', 'STIX', 'cm', 'Last Resort'))
        and 'Emoji' not in entry.name
    }
    return tuple(sorted(names, key=lambda name: ('Sans' not in name, len(name), name)))


@lru_cache
def _letters(family: str) -> frozenset[int]:
    from matplotlib.font_manager import get_font

    try:
        return frozenset(get_font(_path(family)).get_charmap())
    except (OSError, RuntimeError, ValueError):  # a damaged font
        return frozenset()


@lru_cache
def _path(family: str) -> str:
    import matplotlib
    from matplotlib.font_manager import FontProperties, findfont

    if family == FAMILY:
        return str(Path(matplotlib.get_data_path()) / 'fonts' / 'ttf' / 'DejaVuSans.ttf')
    return str(findfont(FontProperties(family=family), fallback_to_default=False))
